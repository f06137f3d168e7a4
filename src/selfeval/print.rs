//! The annexes of a self-evaluation for print, as the county's form has them.

use super::{
    actions::Version,
    rules::{Assessed, FindingSeverity, Fund, FundRow},
};
use crate::document::{Align, Block, Cell, Column, Document, Orientation, Paragraph, Table, plain};
use chrono_tz::Asia::Shanghai;

const NOTES: &str = "注：1.一级指标分值统一设置为：产出指标50分、效益指标30分、服务对象满意度指标10分、预算资金执行率10分。如有特殊情况，\
上述权重可做适当调整，但加总后应等于100分。得分一档最高不能超过该指标分值上限。2.定性指标根据完成情况分为达成预期指标、部分达成预期指标并具有一\
定效果、未达成预期指标且效果较差三档，分别按照分值区间100-80%（含80%）、80-50%（含50%）、50-0%合理确定分值。3.定量指标为正向指标（≥）的，得分\
＝全年实际值÷年度指标值×分值；为反向指标（≤）的，得分＝年度指标值÷全年实际值×分值。4.偏离目标、不能完成目标的，说明原因及拟采取的措施。";

fn column(weight: u16, align: Align) -> Column {
    Column { weight, align }
}

fn row<const N: usize>(cells: [&str; N]) -> Vec<Cell> {
    cells.into_iter().map(Cell::text).collect()
}

/// As short as it is exact, and a number for a workbook.
fn number(thousandths: i64) -> Cell {
    let decimals = match thousandths {
        n if n % 1000 == 0 => 0,
        n if n % 100 == 0 => 1,
        n if n % 10 == 0 => 2,
        _ => 3,
    };
    Cell::Number { thousandths, decimals }
}

/// A word that was printed in the row above already.
fn unless_same<'a>(word: &'a str, above: Option<&str>) -> &'a str {
    if above == Some(word) { "" } else { word }
}

/// Both annexes, and what the check found.
pub(super) fn document(version: &Version) -> Document {
    let (head, tables) = (&version.head, &version.tables);
    let assessed = tables.assess();
    let pairs = [("项目名称", &tables.project), ("主管部门", &tables.authority), ("实施单位", &tables.implementer)];
    let pairs = pairs.map(|(key, value)| (key.to_owned(), value.clone())).to_vec();
    let small = |text: &str| Block::Paragraph(Paragraph { text: text.to_owned(), align: Align::Left, indent: 0 });
    let mut blocks = vec![
        Block::KeyValues(pairs),
        Block::Heading("项目资金（万元）".to_owned()),
        funds(version, &assessed),
        Block::Heading("年度总体目标".to_owned()),
        Block::Table(Table {
            columns: vec![column(1, Align::Left); 2],
            header: vec![row(["预期目标", "实际完成情况"])],
            rows: vec![row([&tables.goal, &tables.outcome])],
        }),
        Block::Heading("绩效指标".to_owned()),
        indicators(version, &assessed),
        Block::Table(Table { columns: vec![column(1, Align::Left)], header: vec![], rows: vec![row([NOTES])] }),
    ];
    if !tables.common_indicators.is_empty() {
        let annex = Block::Heading("附件2　项目支出绩效评价共性指标表".to_owned());
        blocks.extend([Block::PageBreak, annex, common(version, &assessed)]);
    }
    if !assessed.findings.is_empty() {
        blocks.extend([Block::PageBreak, Block::Heading("系统核对情况".to_owned()), findings(version, &assessed)]);
        blocks.push(small("“错误”须改正或书面说明后方可提交；“提示”请人工核对。"));
    }
    let day = head.submitted_at.unwrap_or(head.saved_at).0.with_timezone(&Shanghai).date_naive();
    let state = if head.submitted_at.is_some() { "已提交" } else { "草稿" };
    Document {
        title: "附件1　项目支出绩效自评表".to_owned(),
        subtitle: Some(format!("（{}年度）", head.year)),
        blocks,
        footer: Some(format!("{}　第{}版（{state}）　{day}", tables.implementer, head.version)),
        orientation: Orientation::Portrait,
        dated: day,
    }
}

fn funds(version: &Version, assessed: &Assessed) -> Block {
    let tables = &version.tables;
    let amount = |amount: Option<i64>| amount.map_or_else(|| Cell::text(""), number);
    let line = |fund: &FundRow| {
        let (points, score) = match fund.fund {
            Fund::Total => (number(tables.level_points.budget), number(tables.budget_score)),
            _ => (Cell::text("—"), Cell::text("—")),
        };
        let rate = match fund.fund {
            Fund::Total => assessed.execution.map(|rate| format!("{}%", plain(rate))).unwrap_or_default(),
            _ => String::new(),
        };
        let amounts = [fund.planned, fund.adjusted, fund.executed].map(amount);
        let mut cells = vec![Cell::text(fund.fund.title())];
        cells.extend(amounts.into_iter().chain([points, Cell::text(rate), score]));
        cells
    };
    Block::Table(Table {
        columns: [5, 3, 3, 3, 2, 3, 2]
            .map(|weight| column(weight, if weight == 5 { Align::Left } else { Align::Center }))
            .to_vec(),
        header: vec![row(["", "年初预算数", "全年预算数（A）", "全年执行数（B）", "分值", "执行率（B/A）", "得分"])],
        rows: tables.funds.iter().map(line).collect(),
    })
}

fn indicators(version: &Version, assessed: &Assessed) -> Block {
    let tables = &version.tables;
    let mut rows = Vec::new();
    let (mut level, mut aspect): (_, Option<&str>) = (None, None);
    for i in &tables.indicators {
        let title = format!("{}（{}分）", i.level.title(), plain(tables.level_points.of(i.level)));
        if level != Some(i.level) {
            aspect = None;
        }
        let first = if level == Some(i.level) { "" } else { &title };
        let mut cells = row([first, unless_same(&i.aspect, aspect), &i.name, &i.target, &i.actual]);
        cells.extend([number(i.points), number(i.score), Cell::text(i.reason.clone())]);
        rows.push(cells);
        (level, aspect) = (Some(i.level), Some(i.aspect.as_str()));
    }
    let mut total = row(["总分", "", "", "", ""]);
    total.extend([number(super::rules::WHOLE), number(tables.printed_total.unwrap_or(assessed.total))]);
    rows.push(total);
    let centre = Align::Center;
    Block::Table(Table {
        columns: vec![
            column(4, centre),
            column(4, centre),
            column(6, Align::Left),
            column(4, centre),
            column(4, centre),
            column(2, centre),
            column(2, centre),
            column(4, Align::Left),
        ],
        header: vec![row([
            "一级指标",
            "二级指标",
            "三级指标",
            "年度指标值",
            "实际完成值",
            "分值",
            "得分",
            "偏差原因分析及改进措施",
        ])],
        rows,
    })
}

fn common(version: &Version, assessed: &Assessed) -> Block {
    let tables = &version.tables;
    let mut rows = Vec::new();
    let (mut level, mut aspect): (Option<&str>, Option<&str>) = (None, None);
    for i in &tables.common_indicators {
        if level != Some(&i.level) {
            aspect = None;
        }
        let mut cells = row([unless_same(&i.level, level), unless_same(&i.aspect, aspect), &i.name]);
        cells.extend([number(i.points), Cell::text(i.meaning.clone()), Cell::text(i.guidance.clone())]);
        cells.push(number(i.score));
        rows.push(cells);
        (level, aspect) = (Some(i.level.as_str()), Some(i.aspect.as_str()));
    }
    let mut total = row(["总分", "", ""]);
    total.extend([number(super::rules::WHOLE), Cell::text(""), Cell::text("")]);
    total.push(number(tables.common_printed_total.unwrap_or(assessed.common_total)));
    rows.push(total);
    let centre = Align::Center;
    Block::Table(Table {
        columns: vec![
            column(3, centre),
            column(4, centre),
            column(5, centre),
            column(2, centre),
            column(9, Align::Left),
            column(9, Align::Left),
            column(2, centre),
        ],
        header: vec![row(["一级指标", "二级指标", "三级指标", "分值", "指标解释", "指标说明", "得分"])],
        rows,
    })
}

fn findings(version: &Version, assessed: &Assessed) -> Block {
    let lines = assessed.findings.iter().map(|finding| {
        let words = version.acknowledgements.iter().find(|w| w.code == finding.code && w.place == finding.place);
        let severity = if finding.severity == FindingSeverity::Error { "错误" } else { "提示" };
        row([severity, &finding.words, words.map_or("", |words| &words.words)])
    });
    Block::Table(Table {
        columns: vec![column(1, Align::Center), column(5, Align::Left), column(4, Align::Left)],
        header: vec![row(["级别", "核对结果", "说明"])],
        rows: lines.collect(),
    })
}
