//! What is looked at, at a site of each kind, and what the answers come to. Pure.

use super::rules::{FULL, Item, SiteKind};
use crate::{
    error::{Code, Result},
    identity::rules::{text, text_enum},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use utoipa::ToSchema;

/// A version of the checklist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Checklist {
    /// 1 came with the program.
    pub version: i32,
    /// One list of each kind of site.
    pub kinds: Vec<KindList>,
}

/// What is looked at, at a site of a kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KindList {
    /// The kind.
    pub kind: SiteKind,
    /// 1–30 items.
    pub items: Vec<CheckItem>,
}

/// One thing to look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckItem {
    /// Unique in the version, 1–32 characters.
    pub code: String,
    /// What it is called, 1–80 characters.
    pub name: String,
    /// What costs points, 1–500 characters.
    pub rule: String,
    /// What it is worth, thousandths of a point.
    pub points: i32,
    /// What one finding costs, thousandths of a point: a deduction is a multiple of it, or all points.
    pub step: i32,
}

text_enum! {
    /// How an item was found.
    AnswerFinding {
        /// 合格.
        Pass = "pass",
        /// 扣分.
        Deduct = "deduct",
        /// 不适用: it leaves the denominator.
        NotApplicable = "not_applicable",
    }
}

/// The answer to an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The item's code.
    pub item: String,
    /// How it was found.
    pub finding: AnswerFinding,
    /// Thousandths of a point; 0 unless points are deducted.
    #[serde(default)]
    pub deduction: i32,
    /// What was seen, at most 500 characters; must be there for a deduction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// SHA-256 of the photos that show it, named in the operation's evidence; at least one for a deduction.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub photos: Vec<String>,
}

impl Checklist {
    /// Checks a new version: all seven kinds, each worth something, every code once.
    ///
    /// # Errors
    /// `value_invalid`.
    pub fn check(&self) -> Result<()> {
        let wrong = |words: String| Err(Code::ValueInvalid.with(words));
        let mut codes = BTreeSet::new();
        if !self.kinds.iter().map(|list| list.kind).eq(SiteKind::ALL.iter().copied()) {
            return wrong("kinds: all seven, in their order".to_owned());
        }
        for list in &self.kinds {
            if !(1..=30).contains(&list.items.len()) {
                return wrong(format!("{}: 1–30 items", list.kind));
            }
            for item in &list.items {
                text("items.code", &item.code, 32)?;
                text("items.name", &item.name, 80)?;
                text("items.rule", &item.rule, 500)?;
                if !(1..=FULL).contains(&item.points) || !(1..=item.points).contains(&item.step) {
                    return wrong(format!("{}: points 1–100000, step 1–points", item.code));
                }
                if !codes.insert(item.code.as_str()) {
                    return wrong(format!("{}: twice", item.code));
                }
            }
        }
        Ok(())
    }

    /// The items of a kind.
    pub fn of(&self, kind: SiteKind) -> &[CheckItem] {
        self.kinds.iter().find(|list| list.kind == kind).map_or(&[], |list| &list.items)
    }

    /// Judges the answers at a site of a kind: what was found, as items of the record, and the score in thousandths of
    /// a point: of the points that apply, what was not deducted, scaled to 100 and rounded half up.
    ///
    /// # Errors
    /// `value_invalid` unless every item of the kind is answered once by its rule, and a deduction
    /// shows photos that are among `named`.
    pub fn judge(&self, kind: SiteKind, answers: &[Answer], named: &[String]) -> Result<(Vec<Item>, i32)> {
        let items = self.of(kind);
        let asked: BTreeSet<&str> = items.iter().map(|item| item.code.as_str()).collect();
        let answered: BTreeSet<&str> = answers.iter().map(|answer| answer.item.as_str()).collect();
        if asked != answered || answers.len() != items.len() {
            return Err(Code::ValueInvalid.with(format!("answers: each item of {kind} once")));
        }
        let (mut findings, mut points, mut lost) = (Vec::new(), 0_i64, 0_i64);
        for answer in answers {
            let item = items.iter().find(|item| item.code == answer.item).ok_or(Code::ValueInvalid)?;
            if let Some(words) = &answer.text {
                text("answers.text", words, 500)?;
            }
            answer.check(item, named)?;
            if answer.finding != AnswerFinding::NotApplicable {
                points += i64::from(item.points);
                lost += i64::from(answer.deduction);
            }
            if answer.finding == AnswerFinding::Deduct {
                let words = answer.text.clone().unwrap_or_default();
                findings.push(Item { code: item.code.clone(), text: words, deduction: answer.deduction });
            }
        }
        if points == 0 {
            return Err(Code::ValueInvalid.with("answers: something must apply"));
        }
        let score = ((points - lost) * i64::from(FULL) * 2 + points) / (points * 2);
        Ok((findings, i32::try_from(score).unwrap_or(FULL)))
    }
}

impl Answer {
    fn check(&self, item: &CheckItem, named: &[String]) -> Result<()> {
        let wrong = |words: &str| Err(Code::ValueInvalid.with(format!("{}: {words}", item.code)));
        if self.photos.len() > 20 {
            return wrong("at most 20 photos");
        }
        if let Some(strange) = self.photos.iter().find(|photo| !named.contains(photo)) {
            return Err(Code::ValueInvalid.with(format!("{strange} is not among the operation's evidence")));
        }
        if self.finding != AnswerFinding::Deduct {
            return if self.deduction == 0 { Ok(()) } else { wrong("nothing is deducted") };
        }
        let whole = self.deduction % item.step == 0 || self.deduction == item.points;
        if !(1..=item.points).contains(&self.deduction) || !whole {
            return wrong("a deduction is a multiple of the step, at most the points");
        }
        if self.text.is_none() {
            return wrong("a deduction says what was seen");
        }
        if self.photos.is_empty() {
            return Err(Code::ValueInvalid.with(format!("{}: a deduction needs a photo", item.code)));
        }
        Ok(())
    }
}

/// The checklist that came with the program, version 1: 100 points a kind.
#[must_use]
pub fn usual() -> Checklist {
    let item = |(code, name, rule, points, step): &(&str, &str, &str, i32, i32)| CheckItem {
        code: (*code).to_owned(),
        name: (*name).to_owned(),
        rule: (*rule).to_owned(),
        points: points * 1000,
        step: step * 1000,
    };
    let list = |(kind, items): &(SiteKind, &[_])| KindList { kind: *kind, items: items.iter().map(item).collect() };
    Checklist { version: 1, kinds: USUAL.iter().map(list).collect() }
}

type Line = (&'static str, &'static str, &'static str, i32, i32);

const USUAL: [(SiteKind, &[Line]); 7] = [
    (
        SiteKind::MainRoad,
        &[
            ("1.1", "路面保洁", "路面、绿化带有垃圾、积泥、积水，每处扣 2 分", 30, 2),
            ("1.2", "环卫设施", "果皮箱、垃圾桶满溢、破损、脏污，每个扣 2 分", 20, 2),
            ("1.3", "占道经营", "流动摊贩、店外经营、乱堆乱放，每处扣 5 分", 20, 5),
            ("1.4", "立面秩序", "乱张贴、乱涂写、违规广告，每处扣 1 分", 15, 1),
            ("1.5", "车辆停放", "机动车、非机动车乱停乱放，每处扣 1 分", 15, 1),
        ],
    ),
    (
        SiteKind::BackStreet,
        &[
            ("2.1", "路面保洁", "地面有垃圾、污水、杂草，每处扣 2 分", 35, 2),
            ("2.2", "垃圾收集", "垃圾桶满溢、垃圾未及时清运，每处扣 3 分", 25, 3),
            ("2.3", "乱堆乱放", "楼道口、巷道堆放杂物，每处扣 2 分", 20, 2),
            ("2.4", "乱贴乱画", "乱张贴、乱涂写、乱牵挂，每处扣 1 分", 20, 1),
        ],
    ),
    (
        SiteKind::Residential,
        &[
            ("3.1", "公共区域保洁", "道路、楼道、绿地有垃圾、污物，每处扣 2 分", 35, 2),
            ("3.2", "垃圾分类收集", "容器满溢、破损、周边不洁，每处扣 3 分", 25, 3),
            ("3.3", "设施完好", "路灯、井盖、健身设施损坏，每处扣 5 分", 20, 5),
            ("3.4", "停车与飞线", "乱停车、占用消防通道、飞线充电，每处扣 2 分", 20, 2),
        ],
    ),
    (
        SiteKind::Market,
        &[
            ("4.1", "场内保洁", "地面有垃圾、污水、积水，每处扣 3 分", 30, 3),
            ("4.2", "摊位秩序", "超线经营、占道摆卖，每处扣 2 分", 25, 2),
            ("4.3", "垃圾收集", "容器不足、满溢、未加盖，每处扣 3 分", 25, 3),
            ("4.4", "公共设施", "排水、照明、公厕不能正常使用，每处扣 5 分", 20, 5),
        ],
    ),
    (
        SiteKind::Construction,
        &[
            ("5.1", "围挡", "未封闭围挡、破损、不洁，每处扣 5 分", 20, 5),
            ("5.2", "扬尘控制", "裸土未覆盖、未洒水降尘，每处扣 5 分", 30, 5),
            ("5.3", "出入口冲洗", "无冲洗设施、车辆带泥上路，每处扣 10 分", 30, 10),
            ("5.4", "渣土运输与堆放", "渣土外溢、占道堆料，每处扣 5 分", 20, 5),
        ],
    ),
    (
        SiteKind::Toilet,
        &[
            ("6.1", "地面与墙面", "有积水、污物、蛛网、乱涂写，每处扣 3 分", 30, 3),
            ("6.2", "便器与洗手台", "有污垢、堵塞、损坏，每处扣 4 分", 30, 4),
            ("6.3", "气味与蚊蝇", "异味明显、蚊蝇聚集，每项扣 10 分", 20, 10),
            ("6.4", "开放与标识", "无故不开放、标识缺损、无障碍设施不能使用，每项扣 5 分", 20, 5),
        ],
    ),
    (
        SiteKind::Other,
        &[
            ("7.1", "环境卫生", "有垃圾、杂草、污水，每处扣 3 分", 40, 3),
            ("7.2", "秩序", "乱搭乱建、乱堆乱放、占道经营，每处扣 5 分", 30, 5),
            ("7.3", "设施", "公共设施破损、缺失，每处扣 5 分", 30, 5),
        ],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(kind: SiteKind, of: &[(AnswerFinding, i32)]) -> Vec<Answer> {
        let usual = usual();
        let answer = |(item, (finding, points)): (&CheckItem, &(AnswerFinding, i32))| {
            let deducts = *finding == AnswerFinding::Deduct;
            Answer {
                item: item.code.clone(),
                finding: *finding,
                deduction: points * 1000,
                text: deducts.then(|| "见照片".to_owned()),
                photos: if deducts { vec!["aa".to_owned()] } else { vec![] },
            }
        };
        usual.of(kind).iter().zip(of).map(answer).collect()
    }

    #[test]
    fn the_usual_checklist_is_sound_and_every_kind_is_worth_100_points() {
        let usual = usual();
        usual.check().unwrap();
        for list in &usual.kinds {
            assert_eq!(list.items.iter().map(|item| item.points).sum::<i32>(), FULL, "{}", list.kind);
        }
    }

    #[test]
    fn what_does_not_apply_leaves_the_denominator() {
        use AnswerFinding::{Deduct, NotApplicable, Pass};
        let named = ["aa".to_owned()];
        let judge =
            |of: &[(AnswerFinding, i32)]| usual().judge(SiteKind::Toilet, &answers(SiteKind::Toilet, of), &named);
        assert_eq!(judge(&[(Pass, 0), (Pass, 0), (Pass, 0), (Pass, 0)]).unwrap(), (vec![], 100_000));
        let (items, score) = judge(&[(Deduct, 3), (Pass, 0), (Pass, 0), (Pass, 0)]).unwrap();
        assert_eq!((items.len(), items[0].deduction, score), (1, 3_000, 97_000));
        // 3 of 80: 96.25.
        assert_eq!(judge(&[(Deduct, 3), (Pass, 0), (NotApplicable, 0), (Pass, 0)]).unwrap().1, 96_250);
        // 3 of 30 and 60: 27 of 30, 57 of 60 and so on; a third is rounded half up.
        assert_eq!(judge(&[(Deduct, 30), (Pass, 0), (NotApplicable, 0), (NotApplicable, 0)]).unwrap().1, 50_000);
        assert!(judge(&[(NotApplicable, 0); 4]).is_err());
    }

    #[test]
    fn a_deduction_follows_its_rule_and_shows_a_photo() {
        use AnswerFinding::{Deduct, Pass};
        let named = ["aa".to_owned()];
        let refused = |change: fn(&mut Vec<Answer>)| {
            let mut answers = answers(SiteKind::Toilet, &[(Deduct, 3), (Pass, 0), (Pass, 0), (Pass, 0)]);
            change(&mut answers);
            usual().judge(SiteKind::Toilet, &answers, &named).unwrap_err().code
        };
        assert_eq!(refused(|answers| answers[0].photos.clear()), Code::ValueInvalid);
        assert_eq!(refused(|answers| answers[0].photos = vec!["bb".into()]), Code::ValueInvalid);
        assert_eq!(refused(|answers| answers[0].text = None), Code::ValueInvalid);
        assert_eq!(refused(|answers| answers[0].deduction = 2_000), Code::ValueInvalid);
        assert_eq!(refused(|answers| answers[0].deduction = 33_000), Code::ValueInvalid);
        assert_eq!(refused(|answers| answers[1].deduction = 1_000), Code::ValueInvalid);
        assert_eq!(refused(|answers| drop(answers.pop())), Code::ValueInvalid);
        assert_eq!(refused(|answers| answers[1].item = "6.1".into()), Code::ValueInvalid);
    }
}
