//! Classes, their conditions, and how a table of them is read. Pure.

use crate::{
    calendar::{rules::Limit, words},
    error::{Error, FileFault, Result},
    identity::rules::text_enum,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use utoipa::ToSchema;

#[cfg(test)]
mod tests;

text_enum! {
    /// What a class is a class of.
    ClassKind {
        /// 部件: things that stand in the street, such as a manhole cover.
        Component = "component",
        /// 事件: what people do and what happens, such as rubbish in the open.
        Event = "event",
    }
}

impl ClassKind {
    /// As tables write it.
    #[must_use]
    pub const fn chinese(self) -> &'static str {
        match self {
            Self::Component => "部件",
            Self::Event => "事件",
        }
    }
}

/// The kind that all of these have; none when they differ, or there are none.
#[must_use]
pub fn one_kind(kinds: impl IntoIterator<Item = ClassKind>) -> Option<ClassKind> {
    let mut kinds = kinds.into_iter();
    let first = kinds.next()?;
    kinds.all(|kind| kind == first).then_some(first)
}

/// What names a class: a code alone does not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClassKey {
    /// Component or event, by its word.
    pub kind: &'static str,
    /// 大类 and 小类 together.
    pub code: String,
    /// The standard the code is of.
    pub scheme_version: String,
}

/// A class of components or events.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct CaseClass {
    /// The standard the code is of, such as GB/T30428.2-2013.
    pub scheme_version: String,
    /// Component or event.
    pub kind: ClassKind,
    /// Big and small class together, 4 or 5 digits (small classes have 2, in newer schemes 3).
    pub code: String,
    /// 大类名称.
    pub big_name: String,
    /// 小类名称.
    pub name: String,
    /// At least one, numbered from 1.
    pub conditions: Vec<Condition>,
}

/// When a case of the class is filed and closed, and how long it may take.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Condition {
    /// Its place in the class, from 1.
    pub number: i32,
    /// 立案条件.
    pub filing: String,
    /// 结案条件; may be empty.
    pub closing: String,
    /// 处置时限.
    pub limit: Limit,
    /// What the table adds to the limit, such as 制止: only this must be done in time. Mostly empty.
    pub remark: String,
}

impl CaseClass {
    /// What names it.
    #[must_use]
    pub fn key(&self) -> ClassKey {
        ClassKey { kind: self.kind.as_str(), code: self.code.clone(), scheme_version: self.scheme_version.clone() }
    }

    /// The code of its big class.
    #[must_use]
    pub fn big_code(&self) -> &str {
        self.code.get(..2).unwrap_or_default()
    }

    /// The code of its small class, in the big one.
    #[must_use]
    pub fn small_code(&self) -> &str {
        self.code.get(2..).unwrap_or_default()
    }

    /// Whether it is meant: its code begins with `words`, or its names or a filing condition hold them.
    #[must_use]
    pub fn matches(&self, words: &str) -> bool {
        let filing = || self.conditions.iter().any(|condition| condition.filing.contains(words));
        self.code.starts_with(words) || self.name.contains(words) || self.big_name.contains(words) || filing()
    }
}

/// A column of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Column {
    /// 标准版本; optional.
    Scheme,
    /// 类别: 部件 or 事件; optional where the sheet's name says it.
    Kind,
    /// 大类代码.
    BigCode,
    /// 大类名称.
    BigName,
    /// 小类代码.
    SmallCode,
    /// 小类名称.
    SmallName,
    /// 立案条件.
    Filing,
    /// 结案条件.
    Closing,
    /// 处置时限.
    Limit,
}

impl Column {
    /// In the order of an exported table.
    pub const ALL: [Column; 9] = [
        Column::Scheme,
        Column::Kind,
        Column::BigCode,
        Column::BigName,
        Column::SmallCode,
        Column::SmallName,
        Column::Filing,
        Column::Closing,
        Column::Limit,
    ];

    /// Its heading.
    #[must_use]
    pub const fn heading(self) -> &'static str {
        self.headings()[0]
    }

    /// What it may be headed: ours first, then what machine-made tables write.
    const fn headings(self) -> [&'static str; 3] {
        match self {
            Self::Scheme => ["标准版本", "scheme_version", "scheme"],
            Self::Kind => ["类别", "kind", "类型"],
            Self::BigCode => ["大类代码", "big", "大类编码"],
            Self::BigName => ["大类名称", "bigname", "大类"],
            Self::SmallCode => ["小类代码", "small", "小类编码"],
            Self::SmallName => ["小类名称", "smallname", "小类"],
            Self::Filing => ["立案条件", "cond", "立案标准"],
            Self::Closing => ["结案条件", "close", "结案标准"],
            Self::Limit => ["处置时限", "limit", "时限"],
        }
    }

    fn of(heading: &str) -> Option<Column> {
        Self::ALL.into_iter().find(|column| column.headings().contains(&heading))
    }
}

/// Cells of a table as they were read, before anything is known of their meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sheet {
    /// Its name; empty in a CSV file.
    pub name: String,
    /// Rows in order with their number, from 1. Cells stand at their column; those that are missing are blank.
    pub rows: Vec<(u32, Vec<String>)>,
}

/// The longest text of a cell, characters.
const LONGEST: usize = 1000;

/// What is known of the row above, where a blank cell says the same.
#[derive(Default)]
struct Above {
    scheme: String,
    kind: String,
    big: (String, String),
    small: (String, String),
}

/// Reads a table. A blank cell of the class's columns says what the cell above says, as long as nothing to its left
/// changed; blank rows are passed over; other columns are too.
///
/// # Errors
/// `table_invalid` with everything that is wrong.
pub fn assemble(sheets: &[Sheet], scheme: &str) -> Result<Vec<CaseClass>> {
    let mut reading = Reading { scheme: scheme.to_owned(), ..Reading::default() };
    for sheet in sheets {
        reading.sheet(sheet);
    }
    if reading.classes.is_empty() && reading.faults.is_empty() {
        let problem = "没有找到分类：表头应有大类代码、大类名称、小类代码、小类名称、立案条件、结案条件、处置时限";
        reading.faults.push(FileFault { sheet: None, row: 0, column: String::new(), problem: problem.into() });
    }
    if reading.faults.is_empty() {
        Ok(reading.classes.into_values().collect())
    } else {
        Err(Error::faults(reading.faults))
    }
}

#[derive(Default)]
struct Reading {
    scheme: String,
    classes: BTreeMap<ClassKey, CaseClass>,
    big_names: BTreeMap<ClassKey, String>,
    faults: Vec<FileFault>,
}

/// One row while it is read.
struct Row<'r> {
    sheet: &'r Sheet,
    number: u32,
    cells: &'r [String],
    places: &'r BTreeMap<Column, usize>,
    faults: &'r mut Vec<FileFault>,
}

impl Row<'_> {
    /// The text of a cell, white space tidied; what can't be kept is a fault.
    fn text(&mut self, column: Column) -> String {
        let cell = self.places.get(&column).and_then(|place| self.cells.get(*place)).map_or("", String::as_str);
        let text = cell.split_whitespace().collect::<Vec<_>>().join(" ");
        if text.chars().any(char::is_control) {
            self.fault(column, "含有不允许的控制字符");
        }
        if text.chars().count() > LONGEST {
            self.fault(column, format!("超过 {LONGEST} 个字"));
        }
        text
    }

    fn fault(&mut self, column: Column, problem: impl Into<String>) {
        let sheet = (!self.sheet.name.is_empty()).then(|| self.sheet.name.clone());
        let column = column.heading().to_owned();
        self.faults.push(FileFault { sheet, row: self.number, column, problem: problem.into() });
    }

    /// A code of so many digits.
    fn digits(&mut self, column: Column, text: &str, lengths: &[usize]) {
        let good = lengths.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        if good {
            return;
        }
        let expected = if lengths.len() > 1 { "两位或三位数字" } else { "两位数字" };
        let lost = if text.len() == 1 && text.bytes().all(|b| b.is_ascii_digit()) {
            "；表格软件可能去掉了前面的 0，请把该列设为文本"
        } else {
            ""
        };
        self.fault(column, format!("“{text}”不是{expected}{lost}"));
    }
}

impl Reading {
    fn sheet(&mut self, sheet: &Sheet) {
        let mut rows = sheet.rows.iter().filter(|(_, cells)| cells.iter().any(|cell| !cell.trim().is_empty()));
        let placed = |cells: &[String]| -> BTreeMap<Column, usize> {
            let cells = cells.iter().enumerate();
            cells.rev().filter_map(|(place, cell)| Some((Column::of(cell.trim())?, place))).collect()
        };
        // A title may stand above the headings; a sheet without any is a cover page or a note.
        let headed =
            rows.by_ref().map(|(number, cells)| (*number, placed(cells))).find(|(_, places)| places.len() >= 3);
        let named = ["部件", "事件"].into_iter().find(|kind| sheet.name.contains(kind)).unwrap_or_default();
        let Some((number, places)) = headed else {
            if !named.is_empty() && !sheet.rows.is_empty() {
                let problem = "没有找到表头".to_owned();
                self.faults.push(FileFault { sheet: Some(sheet.name.clone()), row: 0, column: String::new(), problem });
            }
            return;
        };
        let optional = [Some(Column::Scheme), (!named.is_empty()).then_some(Column::Kind)];
        let before = self.faults.len();
        for column in Column::ALL {
            if !places.contains_key(&column) && !optional.contains(&Some(column)) {
                Row { sheet, number, cells: &[], places: &places, faults: &mut self.faults }
                    .fault(column, "缺少这一列");
            }
        }
        if self.faults.len() > before {
            return;
        }
        let mut above = Above { scheme: self.scheme.clone(), kind: named.to_owned(), ..Above::default() };
        for (number, cells) in rows {
            self.row(sheet, *number, cells, &places, &mut above);
        }
    }

    fn row(
        &mut self,
        sheet: &Sheet,
        number: u32,
        cells: &[String],
        places: &BTreeMap<Column, usize>,
        above: &mut Above,
    ) {
        let before = self.faults.len();
        let mut row = Row { sheet, number, cells, places, faults: &mut self.faults };
        take(&mut above.scheme, row.text(Column::Scheme));
        if take(&mut above.kind, row.text(Column::Kind)) {
            (above.big, above.small) = Default::default();
        }
        if take(&mut above.big.0, row.text(Column::BigCode)) {
            (above.big.1, above.small) = Default::default();
        }
        take(&mut above.big.1, row.text(Column::BigName));
        if take(&mut above.small.0, row.text(Column::SmallCode)) {
            above.small.1 = String::new();
        }
        take(&mut above.small.1, row.text(Column::SmallName));
        let kind = ClassKind::ALL.iter().find(|kind| [kind.chinese(), kind.as_str()].contains(&above.kind.as_str()));
        if kind.is_none() {
            row.fault(Column::Kind, format!("“{}”不是部件或事件", above.kind));
        }
        if !(1..=40).contains(&above.scheme.chars().count()) {
            row.fault(Column::Scheme, "应为 1–40 个字");
        }
        row.digits(Column::BigCode, &above.big.0, &[2]);
        row.digits(Column::SmallCode, &above.small.0, &[2, 3]);
        for (column, name) in [(Column::BigName, &above.big.1), (Column::SmallName, &above.small.1)] {
            if !(1..=50).contains(&name.chars().count()) {
                row.fault(column, "应为 1–50 个字");
            }
        }
        let (filing, closing, written) = (row.text(Column::Filing), row.text(Column::Closing), row.text(Column::Limit));
        if filing.is_empty() {
            row.fault(Column::Filing, "不能为空");
        }
        let limit = words::read(&written);
        if limit.is_err() {
            row.fault(Column::Limit, format!("“{written}”不是时限，应如 2紧急工作时、4工作时、5工作日、3自然日"));
        }
        let (Some(kind), Ok((limit, remark)), true) = (kind, limit, row.faults.len() == before) else { return };
        let key =
            |code: &str| ClassKey { kind: kind.as_str(), code: code.to_owned(), scheme_version: above.scheme.clone() };
        let big_name = self.big_names.entry(key(&above.big.0)).or_insert_with(|| above.big.1.clone());
        if *big_name != above.big.1 {
            row.fault(Column::BigName, format!("大类 {} 在前面叫“{big_name}”", above.big.0));
        }
        let code = format!("{}{}", above.big.0, above.small.0);
        let class = self.classes.entry(key(&code)).or_insert_with(|| CaseClass {
            scheme_version: above.scheme.clone(),
            kind: *kind,
            code,
            big_name: above.big.1.clone(),
            name: above.small.1.clone(),
            conditions: Vec::new(),
        });
        if class.name != above.small.1 {
            row.fault(Column::SmallName, format!("小类 {} 在前面叫“{}”", class.code, class.name));
        }
        if class.conditions.iter().any(|condition| condition.filing == filing) {
            row.fault(Column::Filing, "与本小类前面的立案条件相同");
        }
        let number = i32::try_from(class.conditions.len()).unwrap_or(i32::MAX - 1) + 1;
        class.conditions.push(Condition { number, filing, closing, limit, remark: remark.to_owned() });
    }
}

/// Takes what a cell says in the place of what stood above; whether it says something else.
fn take(above: &mut String, cell: String) -> bool {
    let changes = !cell.is_empty() && cell != *above;
    if changes {
        *above = cell;
    }
    changes
}

/// The cells of a table's rows, headings first.
pub fn table<'c>(classes: impl Iterator<Item = &'c CaseClass>) -> Vec<[String; 9]> {
    let mut rows = vec![Column::ALL.map(|column| column.heading().to_owned())];
    for class in classes {
        for condition in &class.conditions {
            rows.push(Column::ALL.map(|column| match column {
                Column::Scheme => class.scheme_version.clone(),
                Column::Kind => class.kind.chinese().to_owned(),
                Column::BigCode => class.big_code().to_owned(),
                Column::BigName => class.big_name.clone(),
                Column::SmallCode => class.small_code().to_owned(),
                Column::SmallName => class.name.clone(),
                Column::Filing => condition.filing.clone(),
                Column::Closing => condition.closing.clone(),
                Column::Limit => format!("{}{}", words::write(condition.limit), condition.remark),
            }));
        }
    }
    rows
}

/// The classes of an import, with those of a kind that it leaves out as they stood before.
#[must_use]
pub fn completed(mut imported: Vec<CaseClass>, before: &[CaseClass]) -> Vec<CaseClass> {
    let kinds: BTreeSet<&str> = imported.iter().map(|class| class.kind.as_str()).collect();
    let kept = before.iter().filter(|class| !kinds.contains(class.kind.as_str())).cloned().collect::<Vec<_>>();
    imported.extend(kept);
    imported.sort_by_key(CaseClass::key);
    imported
}
