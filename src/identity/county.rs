//! The county's 32 assessed units (中方县), as its 2020 self-evaluation names them; loaded by `chengguan unit load-county`.

use super::rules::UnitClass;

/// Region code of 中方县 (GB/T 2260).
pub const REGION: &str = "431221";

#[rustfmt::skip]
const A: [&str; 18] = [
    "中方县城市管理行政执法大队", "县公安局交通管理中心", "县机关事务中心", "县水利局", "县住房保障服务中心", "县卫生健康局",
    "市生态环境局中方分局", "县公安局", "县商务科技和工业信息化局", "县交通运输局", "县公路建设养护中心", "县住房和城乡建设局",
    "县城市建设投资有限公司", "县文化旅游广电体育局", "县市场监督管理局", "县民政局", "中方镇", "泸阳镇",
];
#[rustfmt::skip]
const B: [&str; 14] = [
    "县推进怀化职教基地建设协调指挥部", "县湘商文化科技产业园管理委员会", "中国邮政中方分公司", "县交通建设投资有限责任公司",
    "县全域旅游投资有限公司", "湖南有线怀化网络有限公司中方分公司", "中国电信中方分公司", "中国移动中方分公司", "县自来水公司",
    "中国联通中方分公司", "怀化市公交公司中方分公司", "国网供电中方分公司", "中国石油中方分公司", "中国铁塔集团中方分公司",
];

/// All 32, class A first, with codes `A01`–`A18` and `B01`–`B14`.
pub fn units() -> Vec<(String, &'static str, UnitClass)> {
    let name =
        |class: UnitClass| move |(i, name): (usize, &&'static str)| (format!("{class}{:02}", i + 1), *name, class);
    A.iter().enumerate().map(name(UnitClass::A)).chain(B.iter().enumerate().map(name(UnitClass::B))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn there_are_18_units_of_class_a_and_14_of_class_b_all_different() {
        let units = units();
        assert_eq!(units.iter().filter(|u| u.2 == UnitClass::A).count(), 18);
        assert_eq!(units.len(), 32);
        assert_eq!(units.iter().map(|u| u.1).collect::<BTreeSet<_>>().len(), 32);
    }
}
