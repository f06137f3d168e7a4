//! The catalogue that comes with the program: the classes of GB/T 30428.2-2013 and usual limits.
//!
//! Codes and names are the standard's. Conditions are worded by us, in short; limits are those that cities commonly set.
//! A city's own table is imported in its place.

use super::{
    rules::{self, CaseClass, ClassKind},
    sheets,
};
use std::sync::LazyLock;

/// The scheme of the classes that come with the program, and of imported ones that name none.
pub const SCHEME: &str = "GB/T30428.2-2013";

/// Where they come from, in words.
pub const SOURCE: &str = "国家标准分类（程序自带）";

static CLASSES: LazyLock<Vec<CaseClass>> = LazyLock::new(|| {
    let read = sheets::read_csv(include_bytes!("national.tsv"));
    let classes = read.and_then(|sheets| rules::assemble(&sheets, SCHEME));
    classes.expect("the table that comes with the program is without errors: a test reads it")
});

/// Its classes, in order.
#[must_use]
pub fn classes() -> &'static [CaseClass] {
    &CLASSES
}

/// The kind of a code, when only one kind has it.
#[must_use]
pub fn kind_of(code: &str) -> Option<ClassKind> {
    rules::one_kind(classes().iter().filter(|class| class.code == code).map(|class| class.kind))
}
