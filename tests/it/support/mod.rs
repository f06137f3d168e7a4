//! What the scenarios stand on: a real server on either engine, people and devices, and a client that checks answers.

pub mod docked;
pub mod field;
pub mod http;
pub mod pg;
pub mod powercut;
pub mod process;
pub mod rig;
pub mod s3;
pub mod scene;
pub mod scratch;
pub mod spec;
pub mod town;
pub mod tus;
pub mod world;

/// Makes `sqlite::name` and `postgres::name` of scenarios `fn name(world: &World)`; with `engine:` before the names, of
/// `fn name(engine: Engine)`, which make their own world; with `and_in_a_bucket:`, of `fn name(world: &World)`, and
/// `bucket::name` beside them, with the originals in an S3-compatible store instead of a folder.
macro_rules! on_both_engines {
    (engine: $($name:ident),+ $(,)?) => {
        $crate::support::on_both_engines!(@ run_alone $($name)+);
    };
    (and_in_a_bucket: $($name:ident),+ $(,)?) => {
        $crate::support::on_both_engines!(@ run $($name)+);
        mod bucket {
            use $crate::support::world::World;
            $(#[test] fn $name() { World::run_in_a_bucket(concat!(module_path!(), "::", stringify!($name)), super::$name) })+
        }
    };
    ($($name:ident),+ $(,)?) => {
        $crate::support::on_both_engines!(@ run $($name)+);
    };
    (@ $run:ident $($name:ident)+) => {
        mod sqlite {
            use $crate::support::world::{Engine, World};
            $(#[test] fn $name() { World::$run(Engine::Sqlite, concat!(module_path!(), "::", stringify!($name)), super::$name) })+
        }
        mod postgres {
            use $crate::support::world::{Engine, World};
            $(#[test] fn $name() { World::$run(Engine::Postgres, concat!(module_path!(), "::", stringify!($name)), super::$name) })+
        }
    };
}
pub(crate) use on_both_engines;
