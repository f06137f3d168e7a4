//! A county on a program in a process of its own: its administrator, one unit, and whom and what a test adds.

use super::{
    http::Call,
    process::Process,
    world::{PASSWORD, read},
};
use serde_json::{Value, json};

/// What was set up, and how to go on.
pub struct Town {
    /// Where the program answers.
    pub origin: String,
    /// The administrator's token.
    pub admin: String,
    /// The id of 中方县城市管理行政执法大队.
    pub unit: String,
}

impl Town {
    /// On a fresh database.
    pub fn found(server: &Process) -> Town {
        let origin = format!("http://{}", server.address);
        let mut town = Town { origin, admin: String::new(), unit: String::new() };
        let code = server.setup_code.clone().expect("a fresh database");
        let admin = json!({"code": code, "username": "admin", "name": "管理员", "password": PASSWORD});
        town.call("POST", "/setup").json(&admin).send().expect(201);
        town.admin = town.login("admin");
        let unit = json!({"code": "A01", "name": "中方县城市管理行政执法大队", "year": 2026, "class": "A"});
        town.unit = read(&town.add("/units", &unit)["id"]);
        town
    }

    fn call(&self, method: &str, path: &str) -> Call {
        Call::new(&self.origin, method, &format!("/api/v1{path}"))
    }

    /// The token of a new session.
    pub fn login(&self, username: &str) -> String {
        let body = json!({"username": username, "password": PASSWORD});
        read(&self.call("POST", "/auth/login").json(&body).send().expect(200)["access_token"])
    }

    /// Something new, by the administrator.
    pub fn add(&self, path: &str, what: &Value) -> Value {
        self.call("POST", path).by(&self.admin).json(what).send().expect(201)
    }

    /// The id of a new person; an officer belongs to the unit.
    pub fn person(&self, username: &str, name: &str, role: &str) -> String {
        let unit = (role == "officer").then_some(&self.unit);
        let person = json!({"username": username, "name": name, "role": role, "unit_id": unit, "password": PASSWORD});
        read(&self.add("/users", &person)["id"])
    }

    /// What the administrator reads.
    pub fn get(&self, path: &str) -> Value {
        self.call("GET", path).by(&self.admin).send().expect(200)
    }
}
