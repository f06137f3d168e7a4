//! The two tables of a self-evaluation, and what is wrong with them by their own printed rules. Pure.
//!
//! Every number is exact: points, values and amounts in thousandths (98 % is 98,000, 60 万元 is 60,000).

use crate::{
    document::plain,
    error::{Code, Result},
    identity::rules::text_enum,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Years that may be evaluated, as the periods of the statistics.
pub const YEARS: std::ops::RangeInclusive<i32> = 2000..=2100;
/// Points of a whole table.
pub const WHOLE: i64 = 100_000;
/// How far a score may stand from what the rule gives: reports print one digit after the point.
const ROUNDING: i64 = 50;
/// Points of the level-1 indicators and of the budget's execution, unless a year is special (note 1 of annex 1).
const USUAL: LevelPoints = LevelPoints { output: 50_000, benefit: 30_000, satisfaction: 10_000, budget: 10_000 };
/// Numbers of people's tables are smaller, in thousandths.
const MOST: i64 = 1_000_000_000_000;

text_enum! {
    /// An indicator's first level (一级指标) in annex 1.
    IndicatorLevel {
        /// 产出指标.
        Output = "output",
        /// 效益指标.
        Benefit = "benefit",
        /// 满意度指标.
        Satisfaction = "satisfaction",
    }
}

impl IndicatorLevel {
    /// As it is printed.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            IndicatorLevel::Output => "产出指标",
            IndicatorLevel::Benefit => "效益指标",
            IndicatorLevel::Satisfaction => "满意度指标",
        }
    }
}

text_enum! {
    /// How an indicator is scored (notes 2 and 3 of annex 1).
    IndicatorKind {
        /// 正向 (≥): actual ÷ target × points.
        Positive = "positive",
        /// 反向 (≤): target ÷ actual × points.
        Negative = "negative",
        /// 定性: by its grade.
        Qualitative = "qualitative",
    }
}

text_enum! {
    /// How far a qualitative indicator was reached, and the share of its points that may be given for it.
    IndicatorGrade {
        /// 达成预期指标: 80–100 %.
        Reached = "reached",
        /// 部分达成预期指标并具有一定效果: 50–80 %.
        Partly = "partly",
        /// 未达成预期指标且效果较差: 0–50 %.
        Missed = "missed",
    }
}

impl IndicatorGrade {
    /// The least and the most of a hundred, and whether the most itself belongs to it: 80 and 50 are the upper band's.
    fn band(self) -> (i64, i64, bool) {
        match self {
            IndicatorGrade::Reached => (80, 100, true),
            IndicatorGrade::Partly => (50, 80, false),
            IndicatorGrade::Missed => (0, 50, false),
        }
    }
}

text_enum! {
    /// Where money comes from (资金来源).
    Fund {
        /// 年度资金总额: of all the others.
        Total = "total",
        /// 当年财政拨款.
        Appropriation = "appropriation",
        /// 上年结转资金.
        Carried = "carried",
        /// 其他资金.
        Other = "other",
    }
}

impl Fund {
    /// As it is printed.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Fund::Total => "年度资金总额",
            Fund::Appropriation => "其中：当年财政拨款",
            Fund::Carried => "上年结转资金",
            Fund::Other => "其他资金",
        }
    }
}

/// A self-evaluation: annex 1 (项目支出绩效自评表) and annex 2 (项目支出绩效评价共性指标表).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SelfEvaluation {
    /// 项目名称.
    pub project: String,
    /// 主管部门.
    pub authority: String,
    /// 实施单位.
    pub implementer: String,
    /// 预期目标.
    pub goal: String,
    /// 实际完成情况.
    pub outcome: String,
    /// 项目资金, one row a source at most.
    pub funds: Vec<FundRow>,
    /// 分值 by level and of the budget's execution.
    pub level_points: LevelPoints,
    /// 预算执行 得分, thousandths.
    pub budget_score: i64,
    /// 绩效指标 of annex 1, as they are printed; 1–100.
    pub indicators: Vec<Indicator>,
    /// 总分 of annex 1 as somebody else's table has it, thousandths; null to print the sum.
    pub printed_total: Option<i64>,
    /// The indicators of annex 2, as they are printed; at most 100.
    pub common_indicators: Vec<CommonIndicator>,
    /// 总分 of annex 2 as somebody else's table has it, thousandths; null to print the sum.
    pub common_printed_total: Option<i64>,
}

/// Points by level, thousandths; they add up to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LevelPoints {
    /// 产出指标, 50 as a rule.
    pub output: i64,
    /// 效益指标, 30 as a rule.
    pub benefit: i64,
    /// 满意度指标, 10 as a rule.
    pub satisfaction: i64,
    /// 预算资金执行率, 10 as a rule.
    pub budget: i64,
}

impl LevelPoints {
    /// Those of a level.
    #[must_use]
    pub fn of(&self, level: IndicatorLevel) -> i64 {
        match level {
            IndicatorLevel::Output => self.output,
            IndicatorLevel::Benefit => self.benefit,
            IndicatorLevel::Satisfaction => self.satisfaction,
        }
    }

    fn sum(&self) -> i64 {
        self.output + self.benefit + self.satisfaction + self.budget
    }
}

/// Money of one source, in thousandths of 万元.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FundRow {
    /// Its source.
    pub fund: Fund,
    /// 年初预算数.
    pub planned: Option<i64>,
    /// 全年预算数 (A).
    pub adjusted: Option<i64>,
    /// 全年执行数 (B).
    pub executed: Option<i64>,
}

/// An indicator of annex 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Indicator {
    /// 一级指标.
    pub level: IndicatorLevel,
    /// 二级指标: 数量指标, 质量指标, ….
    pub aspect: String,
    /// 三级指标.
    pub name: String,
    /// How it is scored.
    pub kind: IndicatorKind,
    /// 年度指标值 as it is printed.
    pub target: String,
    /// Its number, thousandths; null for a qualitative one.
    pub target_value: Option<i64>,
    /// 实际完成值 as it is printed.
    pub actual: String,
    /// Its number, thousandths, in the same unit.
    pub actual_value: Option<i64>,
    /// Of a qualitative one.
    pub grade: Option<IndicatorGrade>,
    /// 分值, thousandths.
    pub points: i64,
    /// 得分 that people gave, thousandths.
    pub score: i64,
    /// 偏差原因分析及改进措施.
    pub reason: String,
}

/// An indicator of annex 2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CommonIndicator {
    /// 一级指标: 决策, 过程, 产出, 效益.
    pub level: String,
    /// 二级指标.
    pub aspect: String,
    /// 三级指标.
    pub name: String,
    /// 指标解释.
    pub meaning: String,
    /// 指标说明.
    pub guidance: String,
    /// 分值, thousandths.
    pub points: i64,
    /// 得分, thousandths.
    pub score: i64,
}

text_enum! {
    /// What is wrong.
    FindingCode {
        /// 总分 as printed is not the sum.
        TotalDiffers = "total_differs",
        /// 分值 of a table do not add up to 100.
        PointsSum = "points_sum",
        /// 分值 of a level's indicators do not add up to the level's.
        LevelSum = "level_sum",
        /// Levels have other points than usual.
        LevelsUnusual = "levels_unusual",
        /// 得分 above 分值.
        ScoreAbovePoints = "score_above_points",
        /// 得分 above what the rule gives.
        ScoreAboveRule = "score_above_rule",
        /// 得分 below what the rule gives.
        ScoreBelowRule = "score_below_rule",
        /// 得分 outside of its grade's band.
        OutsideBand = "outside_band",
        /// A qualitative indicator has no grade.
        GradeMissing = "grade_missing",
        /// What the rule divides is not there.
        ValueMissing = "value_missing",
        /// Points were lost, and nobody says why.
        ReasonMissing = "reason_missing",
        /// 年度资金总额 is not the sum of its parts.
        FundsDiffer = "funds_differ",
    }
}

text_enum! {
    /// How bad it is.
    FindingSeverity {
        /// The arithmetic is wrong: must be put right, or explained in words.
        Error = "error",
        /// A person should look.
        Warning = "warning",
    }
}

/// Something that is wrong with a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TableFinding {
    /// What.
    pub code: FindingCode,
    /// How bad.
    pub severity: FindingSeverity,
    /// Where, as a path in the document: `indicators/3`, `printed_total`; numbers from 0.
    pub place: String,
    /// In Chinese, for people.
    pub words: String,
}

/// What the rules make of a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Assessed {
    /// The sum of annex 1's scores, the budget's among them, thousandths.
    pub total: i64,
    /// The sum of annex 2's scores, thousandths.
    pub common_total: i64,
    /// 执行率 B/A in thousandths of a percent; null without a budget.
    pub execution: Option<i64>,
    /// What the rule gives for the budget's execution, thousandths; null without a budget.
    pub budget_rule_score: Option<i64>,
    /// What the rule gives for each indicator of annex 1 with numbers, thousandths.
    pub rule_scores: Vec<Option<i64>>,
    /// What is wrong, in the order of the tables.
    pub findings: Vec<TableFinding>,
}

/// `points` × `part` ÷ `whole`, rounded half up to thousandths, never above `points`; none of nothing.
fn share(points: i64, part: i64, whole: i64) -> Option<i64> {
    if whole <= 0 || part < 0 {
        return None;
    }
    let (points, part, whole) = (i128::from(points), i128::from(part), i128::from(whole));
    i64::try_from(((2 * points * part + whole) / (2 * whole)).min(points)).ok()
}

impl Indicator {
    /// What the rule gives; none for a qualitative one, or without numbers (note 3 of annex 1).
    #[must_use]
    pub fn rule_score(&self) -> Option<i64> {
        let (target, actual) = (self.target_value?, self.actual_value?);
        match self.kind {
            IndicatorKind::Positive => share(self.points, actual, target),
            // Nothing where little was wanted is all that was wanted.
            IndicatorKind::Negative if actual == 0 => Some(self.points),
            IndicatorKind::Negative => share(self.points, target, actual),
            IndicatorKind::Qualitative => None,
        }
    }
}

impl SelfEvaluation {
    /// Whether it can be kept at all: numbers in their ranges, texts of a length that can be printed.
    ///
    /// # Errors
    /// `value_invalid`.
    pub fn check(&self) -> Result<()> {
        let wrong = |what: &str| Err(Code::ValueInvalid.with(what.to_owned()));
        if self.indicators.is_empty() || self.indicators.len() > 100 || self.common_indicators.len() > 100 {
            return wrong("indicators: 1–100; common_indicators: at most 100");
        }
        if Fund::ALL.iter().any(|fund| self.funds.iter().filter(|row| row.fund == *fund).count() > 1) {
            return wrong("funds: each source once");
        }
        let levels = self.level_points;
        let mut numbers = vec![levels.output, levels.benefit, levels.satisfaction, levels.budget, self.budget_score];
        let mut words = vec![&self.project, &self.authority, &self.implementer, &self.goal, &self.outcome];
        numbers.extend(self.printed_total.into_iter().chain(self.common_printed_total));
        numbers.extend(self.funds.iter().flat_map(|row| [row.planned, row.adjusted, row.executed]).flatten());
        for i in &self.indicators {
            numbers.extend([i.points, i.score].into_iter().chain(i.target_value).chain(i.actual_value));
            words.extend([&i.aspect, &i.name, &i.target, &i.actual, &i.reason]);
        }
        for i in &self.common_indicators {
            numbers.extend([i.points, i.score]);
            words.extend([&i.level, &i.aspect, &i.name, &i.meaning, &i.guidance]);
        }
        if numbers.iter().any(|number| !(0..=MOST).contains(number)) {
            return wrong("numbers: 0–1,000,000,000,000 thousandths");
        }
        if words.iter().any(|words| words.chars().count() > 2000) {
            return wrong("texts: at most 2,000 characters");
        }
        if self.project.trim().is_empty() || self.indicators.iter().any(|i| i.name.trim().is_empty()) {
            return wrong("project and the names of indicators: not empty");
        }
        Ok(())
    }

    /// The row of all money.
    #[must_use]
    pub fn all_funds(&self) -> Option<&FundRow> {
        self.funds.iter().find(|row| row.fund == Fund::Total)
    }

    /// What the rules make of it.
    #[must_use]
    pub fn assess(&self) -> Assessed {
        let money = self.all_funds().and_then(|row| row.executed.zip(row.adjusted));
        let rate = |points| money.and_then(|(executed, adjusted)| share(points, executed, adjusted));
        let mut assessed = Assessed {
            total: self.budget_score + self.indicators.iter().map(|indicator| indicator.score).sum::<i64>(),
            common_total: self.common_indicators.iter().map(|indicator| indicator.score).sum(),
            execution: rate(WHOLE),
            budget_rule_score: rate(self.level_points.budget),
            rule_scores: self.indicators.iter().map(Indicator::rule_score).collect(),
            findings: Vec::new(),
        };
        let mut found = Findings(Vec::new());
        self.funds_hold(&mut found);
        self.budget_holds(&assessed, &mut found);
        for (at, indicator) in self.indicators.iter().enumerate() {
            indicator_holds(indicator, &format!("indicators/{at}"), &mut found);
        }
        self.levels_hold(&mut found);
        found.total("printed_total", "附件1", self.printed_total, assessed.total);
        self.common_holds(assessed.common_total, &mut found);
        assessed.findings = found.0;
        assessed
    }

    /// 年度资金总额 is the sum of its parts, in each column that has any.
    fn funds_hold(&self, found: &mut Findings) {
        let Some(total) = self.all_funds() else { return };
        type Column = (&'static str, &'static str, fn(&FundRow) -> Option<i64>);
        let columns: [Column; 3] = [
            ("planned", "年初预算数", |row| row.planned),
            ("adjusted", "全年预算数", |row| row.adjusted),
            ("executed", "全年执行数", |row| row.executed),
        ];
        for (place, name, amount) in columns {
            let parts = self.funds.iter().filter(|row| row.fund != Fund::Total).filter_map(amount);
            let parts: Vec<i64> = parts.collect();
            let (sum, all) = (parts.iter().sum::<i64>(), amount(total).unwrap_or_default());
            if !parts.is_empty() && sum != all {
                let words = format!("{name}：年度资金总额 {} 万元，各项资金合计 {} 万元", plain(all), plain(sum));
                found.error(FindingCode::FundsDiffer, &format!("funds/{place}"), words);
            }
        }
    }

    fn budget_holds(&self, assessed: &Assessed, found: &mut Findings) {
        let (points, score) = (self.level_points.budget, self.budget_score);
        if score > points {
            return found.above_points("budget_score", "预算执行率", score, points);
        }
        let Some((rule, rate)) = assessed.budget_rule_score.zip(assessed.execution) else {
            return found.warning(
                FindingCode::ValueMissing,
                "funds",
                "缺少全年预算数或全年执行数，无法计算执行率".into(),
            );
        };
        let why = format!("预算执行率 {}%", plain(rate));
        found.against_rule("budget_score", &why, score, rule);
    }

    fn levels_hold(&self, found: &mut Findings) {
        if self.level_points != USUAL {
            let words =
                "一级指标分值与统一设置（产出50、效益30、满意度10、预算执行10）不同，请确认有特殊情况".to_owned();
            found.warning(FindingCode::LevelsUnusual, "level_points", words);
        }
        if self.level_points.sum() != WHOLE {
            let words = format!("附件1 各项一级指标分值合计 {} 分，应为 100 分", plain(self.level_points.sum()));
            found.error(FindingCode::PointsSum, "level_points", words);
        }
        for level in IndicatorLevel::ALL {
            let of = self.indicators.iter().filter(|indicator| indicator.level == *level);
            let (sum, points) = (of.map(|indicator| indicator.points).sum::<i64>(), self.level_points.of(*level));
            if sum != points {
                let words = format!("{}的三级指标分值合计 {} 分，应为 {} 分", level.title(), plain(sum), plain(points));
                found.error(FindingCode::LevelSum, &format!("level_points/{level}"), words);
            }
        }
    }

    fn common_holds(&self, total: i64, found: &mut Findings) {
        for (at, indicator) in self.common_indicators.iter().enumerate() {
            if indicator.score > indicator.points {
                let place = format!("common_indicators/{at}");
                found.above_points(&place, &indicator.name, indicator.score, indicator.points);
            }
        }
        let points: i64 = self.common_indicators.iter().map(|indicator| indicator.points).sum();
        if points != WHOLE && !self.common_indicators.is_empty() {
            let words = format!("附件2 各项指标分值合计 {} 分，应为 100 分", plain(points));
            found.error(FindingCode::PointsSum, "common_indicators", words);
        }
        found.total("common_printed_total", "附件2", self.common_printed_total, total);
    }
}

fn indicator_holds(indicator: &Indicator, place: &str, found: &mut Findings) {
    let Indicator { name, points, score, .. } = indicator;
    if score > points {
        return found.above_points(place, name, *score, *points);
    }
    match indicator.kind {
        IndicatorKind::Qualitative => match indicator.grade {
            None => found.warning(FindingCode::GradeMissing, place, format!("“{name}”为定性指标，未填写完成档次")),
            Some(grade) => {
                let (least, most, closed) = grade.band();
                let hundred = score.saturating_mul(100);
                let below = hundred < least * points;
                if below || hundred > most * points || (!closed && hundred == most * points && *points > 0) {
                    let words = format!(
                        "“{name}”得 {} 分，不在所填档次的区间（{most}%～{least}%，即 {}～{} 分）内",
                        plain(*score),
                        plain(most * points / 100),
                        plain(least * points / 100)
                    );
                    found.error(FindingCode::OutsideBand, place, words);
                }
            }
        },
        IndicatorKind::Positive | IndicatorKind::Negative => match indicator.rule_score() {
            None => {
                let words = format!("“{name}”为定量指标，缺少指标值或实际完成值，无法计算得分");
                found.warning(FindingCode::ValueMissing, place, words);
            }
            Some(rule) => found.against_rule(place, &format!("“{name}”"), *score, rule),
        },
    }
    if score < points && indicator.reason.trim().is_empty() {
        let words = format!("“{name}”扣 {} 分，未说明偏差原因及改进措施", plain(points - score));
        found.warning(FindingCode::ReasonMissing, place, words);
    }
}

struct Findings(Vec<TableFinding>);

impl Findings {
    fn error(&mut self, code: FindingCode, place: &str, words: String) {
        self.0.push(TableFinding { code, severity: FindingSeverity::Error, place: place.to_owned(), words });
    }

    fn warning(&mut self, code: FindingCode, place: &str, words: String) {
        self.0.push(TableFinding { code, severity: FindingSeverity::Warning, place: place.to_owned(), words });
    }

    fn above_points(&mut self, place: &str, name: &str, score: i64, points: i64) {
        let words = format!("{name}得 {} 分，超过分值 {} 分", plain(score), plain(points));
        self.error(FindingCode::ScoreAbovePoints, place, words);
    }

    fn against_rule(&mut self, place: &str, what: &str, score: i64, rule: i64) {
        let words = format!("{what}按计分规则应得 {} 分，实得 {} 分", plain(rule), plain(score));
        if score > rule + ROUNDING {
            self.error(FindingCode::ScoreAboveRule, place, words);
        } else if score < rule - ROUNDING {
            self.warning(FindingCode::ScoreBelowRule, place, words);
        }
    }

    fn total(&mut self, place: &str, annex: &str, printed: Option<i64>, sum: i64) {
        if let Some(printed) = printed.filter(|printed| *printed != sum) {
            let words = format!("{annex} 总分填写为 {}，各项得分合计为 {}", plain(printed), plain(sum));
            self.error(FindingCode::TotalDiffers, place, words);
        }
    }
}

/// Somebody's words on a finding that stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Acknowledgement {
    /// Which finding.
    pub code: FindingCode,
    /// Its place.
    pub place: String,
    /// Why it stays, 1–500 characters.
    pub words: String,
}

/// Whether every error is explained, and nothing else.
///
/// # Errors
/// `value_invalid`, naming what is wrong.
pub fn check_acknowledged(findings: &[TableFinding], acknowledgements: &[Acknowledgement]) -> Result<()> {
    let wrong = |what: String| Err(Code::ValueInvalid.with(what));
    for (at, given) in acknowledgements.iter().enumerate() {
        if given.words.trim().is_empty() || given.words.chars().count() > 500 {
            return wrong(format!("acknowledgements/{at}: 1–500 characters"));
        }
        if !findings.iter().any(|finding| finding.code == given.code && finding.place == given.place) {
            return wrong(format!("acknowledgements/{at}: no such finding"));
        }
        if acknowledgements[..at].iter().any(|other| other.code == given.code && other.place == given.place) {
            return wrong(format!("acknowledgements/{at}: twice"));
        }
    }
    let errors = findings.iter().filter(|finding| finding.severity == FindingSeverity::Error);
    let mut open = errors.filter(|finding| {
        !acknowledgements.iter().any(|given| given.code == finding.code && given.place == finding.place)
    });
    match open.next() {
        Some(finding) => wrong(format!("{} {}: {}", finding.code, finding.place, finding.words)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
