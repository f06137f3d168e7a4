//! The county that is measured: its units, and people signed in on enrolled devices, each with tokens for the day.

use crate::{figures::Done, server::Data};
use chengguan::{
    db::types::{DeviceId, OpId, SessionId, UnitId, UserId},
    env::Env,
    identity::{
        actions::{self, NewUser},
        devices,
        rules::{DeviceKind, Role},
        tokens,
    },
};
use chrono::TimeDelta;
use serde_json::{Value, json};

/// A device, and the person signed in on it.
#[derive(Debug, Clone)]
pub struct Device {
    pub id: DeviceId,
    pub user: UserId,
    pub device_token: String,
    pub user_token: String,
    epoch: i32,
    session: SessionId,
    seq: i64,
    /// How many of them went out.
    sent: i64,
    attempt: i64,
    push_token: Option<String>,
}

/// What has been set up.
pub struct County {
    pub unit: UnitId,
    pub devices: Vec<Device>,
    pub env: Env,
}

impl County {
    /// The 32 units, and `count` people of a role on a handheld each. A liaison or an officer belongs to `unit`.
    ///
    /// They are entered with the server's own use cases; only the password is never asked for, because hashing it is
    /// made to be slow.
    pub fn found(data: &Data, role: Role, count: usize) -> Done<County> {
        let (unit, devices) = data.prepare(move |tx, keys| {
            actions::county_load(tx)?;
            let unit = actions::unit_by_code(tx.db, "A01")?.id;
            let mut devices = Vec::with_capacity(count);
            for n in 0..count {
                let name = format!("{role}-{n}");
                let unit_id = matches!(role, Role::Liaison | Role::Officer).then_some(unit);
                let password_hash = "never asked for".to_owned();
                let person = NewUser { username: name.clone(), name: "李娜".into(), role, unit_id, password_hash };
                actions::user_add(tx, person)?;
                let pkcs8 = tokens::fresh_pkcs8()?;
                let code = devices::device_add(tx, &name, DeviceKind::Handheld)?.1;
                let device = devices::device_enrol(tx, &code, tokens::public_key(&pkcs8)?)?;
                let signed = actions::login(tx, &name, true, Some(device.id))??;
                let life = TimeDelta::hours(12);
                devices.push(Device {
                    id: device.id,
                    user: signed.user.id,
                    device_token: tokens::sign_device(&pkcs8, device.id, tx.now, life)?,
                    user_token: keys.sign_user(signed.user.id, signed.session, tx.now, life)?,
                    epoch: device.epoch,
                    session: signed.session,
                    seq: 0,
                    sent: 0,
                    attempt: 0,
                    push_token: None,
                });
            }
            Ok((unit, devices))
        })?;
        Ok(County { unit, devices, env: Env::system() })
    }
}

impl Device {
    /// Work on one case, each step built on the one before: reported, dispatched, handled, remarked.
    pub fn case_work(&mut self, env: &Env, unit: UnitId) -> [String; 4] {
        let case = env.id();
        let due = env.now() + TimeDelta::days(3);
        let report = json!({"title": "井盖缺失", "description": "人行道井盖缺失，存在安全隐患", "class_code": "1101"});
        let (first, reported) = self.op(env, "case.report", case, None, report);
        let dispatch = json!({"unit_id": unit, "due_at": due});
        let (second, dispatched) = self.op(env, "case.dispatch", case, Some(first), dispatch);
        let (_, handled) = self.op(env, "case.handle", case, Some(second), json!({"note": "已补装"}));
        let (_, noted) = self.op(env, "case.note", case, None, json!({"text": "现场照片见附件"}));
        [reported, dispatched, handled, noted]
    }

    /// Work of `cases` cases, as a device has it in its outbox.
    pub fn work(&mut self, env: &Env, unit: UnitId, cases: usize) -> Vec<String> {
        (0..cases).flat_map(|_| self.case_work(env, unit)).collect()
    }

    fn op(&mut self, env: &Env, kind: &str, case: uuid::Uuid, base: Option<OpId>, args: Value) -> (OpId, String) {
        self.seq += 1;
        let id = OpId(env.id());
        let mut op = json!({
            "op_id": id, "seq": self.seq, "type": kind, "v": 1, "target": {"kind": "case", "id": case},
            "actor": self.user, "session": self.session, "occurred_at": env.now(), "mono_ms": self.seq * 1000,
            "boot": self.session, "args": args,
        });
        if let (Some(base), Some(fields)) = (base, op.as_object_mut()) {
            fields.insert("base".into(), json!({"op": base}));
        }
        (id, op.to_string())
    }

    /// The body of a push of these operations. Its answer's `push_token` goes back with [`Device::answered`].
    pub fn push_body(&mut self, env: &Env, ops: &[String]) -> String {
        self.attempt += 1;
        let depth = self.seq - self.sent;
        self.sent += i64::try_from(ops.len()).unwrap_or(0);
        let mut envelope = json!({
            "protocol": 1, "app": "bench/1", "device": self.id, "epoch": self.epoch, "attempt": self.attempt,
            "clock": {"wall": env.now(), "mono_ms": self.seq * 1000, "boot": self.session},
            "outbox": {"depth": depth, "high_seq": self.seq},
        });
        if let (Some(token), Some(fields)) = (&self.push_token, envelope.as_object_mut()) {
            fields.insert("push_token".into(), json!(token));
        }
        let envelope = envelope.to_string();
        // The operations go in as the bytes they are.
        let open = envelope.strip_suffix('}').unwrap_or(&envelope);
        format!("{open},\"ops\":[{}]}}", ops.join(","))
    }

    /// Reads what the next push must bring, when the answer has it.
    pub fn answered(&mut self, body: &[u8]) {
        let token =
            crate::wire::text_after(body, b"\"push_token\":\"").map(|t| String::from_utf8_lossy(t).into_owned());
        self.push_token = token.or(self.push_token.take());
    }
}
