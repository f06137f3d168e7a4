//! What a line says, in Chinese. ScorePart of the result: `replay` compares it.

use super::rules::{ScorePart, WhenNone};
use crate::document::plain;

/// Points as people write them: `58.5`, `-0.333`.
#[must_use]
pub fn points(thousandths: i32) -> String {
    plain(i64::from(thousandths))
}

/// The name of a part.
#[must_use]
pub fn part(part: ScorePart) -> &'static str {
    match part {
        ScorePart::DigitalCases => "数字城管",
        ScorePart::SpotChecks => "现场抽检",
        ScorePart::Supervision => "专项督办",
        ScorePart::Merits => "正负面清单",
    }
}

/// The name of a line's item.
#[must_use]
pub fn item(item: &str) -> &str {
    match item {
        "timely" => "按期结案",
        "late" => "超期结案",
        "unsolved" => "未结案",
        "exempt" => "超期申诉通过",
        "check" => "抽检记录",
        "letter" => "督办函",
        "none" => "无记录",
        "fewer_cases" => "立案数同比减少",
        "praised" => "上级表扬或省级以上媒体正面报道",
        "reputation_kept" => "城市名片复审过关",
        "reputation_won" => "城市名片新创建成功",
        "criticised" => "未完成交办任务被通报批评",
        "fault" => "过错造成重大损失或恶劣社会影响",
        "exposed" => "被省级以上官方媒体曝光属实",
        "not_reporting" => "不报送信息或不服从调度指挥",
        "cap" => "加减分上限",
        "veto" => "一票否决",
        "counter" => "申诉更正",
        "correction" => "发布后更正",
        other => other,
    }
}

pub(super) fn case(number: &str, name: &str, percent: i64, counted: usize) -> String {
    format!("案件 {number} {}，计 {percent}%，占 {counted} 件之一", item(name))
}

pub(super) fn left_out(number: &str) -> String {
    format!("案件 {number} 未结案，超期申诉通过，不计入总数")
}

pub(super) fn no_case() -> String {
    "本月无案件，不参与本月排名".to_owned()
}

pub(super) fn check(week: &str, site: &str, score: i32, of: usize) -> String {
    format!("{week} 抽检“{site}”得 {} 分，占 {of} 次之一", points(score))
}

pub(super) fn letter(number: &str, score: i32, why: &str, of: usize) -> String {
    format!("督办函 {number} 完成得 {} 分（{why}），占 {of} 件之一", points(score))
}

pub(super) fn none(of: ScorePart, when: WhenNone) -> String {
    let counts = if when == WhenNone::Full { "计满分" } else { "计 0 分" };
    format!("本月无{}记录，按办法{counts}", part(of))
}

pub(super) fn fewer_cases(filed: i64, year_before: i64) -> String {
    format!("本月立案 {filed} 件，上年同月 {year_before} 件；每减少一个百分点计分，不足一个百分点的不计")
}

pub(super) fn merit(name: &str, times: i32, summary: &str) -> String {
    format!("{} {times} 次：{summary}", item(name))
}

pub(super) fn cap(cap: i32) -> String {
    format!("正负面清单加减分不超过 {} 分", points(cap))
}

pub(super) fn veto(summary: &str) -> String {
    format!("一票否决，当月成绩无效：{summary}")
}
