//! What a bundle's page says to whoever opens it, who may never have seen the platform: words, not codes.

use chrono::{DateTime, Utc};
use chrono_tz::Asia::Shanghai;

/// A case's stage, a command of the loop, or a flag's code. A word that a newer program wrote stays as it is.
#[must_use]
pub fn word(code: &str) -> &str {
    match code {
        "reported" => "待派遣",
        "dispatched" => "待处置",
        "handled" => "已处置待申请",
        "closing_applied" => "待审核结案",
        "verifying" => "市级核查中",
        "verified" => "待确认结案",
        "closed" => "已结案",
        "returned" => "已退回待重派",
        "report" => "上报",
        "dispatch" => "派遣",
        "handle" => "处置",
        "apply_closing" => "申请结案",
        "refuse_closing" => "驳回结案申请",
        "request_verification" => "申请市级核查",
        "verify" => "市级核查",
        "notify_closing" => "结案通知",
        "confirm_closing" => "确认结案",
        "return" => "退回",
        "request_extension" => "申请延期",
        "decide_extension" => "延期审批",
        "request_hold" => "申请挂账",
        "decide_hold" => "挂账审批",
        "resume" => "恢复计时",
        "void" => "作废",
        "reopen" => "复核不实，恢复办理",
        "note" => "备注",
        "edit" => "更正内容",
        "unreadable" => "文件无法读取",
        "media_type_differs" => "文件类型与申报不符",
        "truncated" => "文件不完整",
        "time_missing_in_file" => "文件内没有拍摄时间",
        "time_missing_in_stamp" => "申报没有拍摄时间",
        "time_differs" => "文件内的时间与申报时间不符",
        "time_in_future" => "申报的拍摄时间晚于服务器收到的时间",
        "time_implausible" => "文件内的时间不可信（设备时钟未设置）",
        "gps_time_differs" => "设备时钟与卫星时间不符",
        "position_missing_in_file" => "文件内没有位置",
        "position_missing_in_stamp" => "申报没有位置",
        "position_differs" => "文件内的位置与申报位置不符",
        "position_implausible" => "文件内的位置不可信",
        "position_incomplete" => "文件内的位置不完整",
        "datum_unknown" => "文件使用了未知的坐标系",
        "stamp_after_bytes" => "文件到达之后才补充了申报的时间或位置",
        "track_time_differs" => "轨迹的时间与录像时间不符",
        "track_position_differs" => "轨迹的位置与录像位置不符",
        "track_unreadable" => "轨迹文件中没有可读的轨迹",
        "malformed" => "签名记录无法识别",
        "device_unknown" => "设备未登记",
        "device_revoked" => "到达时设备已注销",
        "bad_signature" => "签名不符",
        "epoch_unknown" => "记录的批次不存在",
        "gap" => "前面有缺失的记录",
        "fork" => "同一编号有两条记录",
        "edited" => "记录事后被改换",
        "reordered" => "记录次序颠倒",
        "replayed" => "记录重复送来",
        "clock_drift" => "设备时钟走时不一致",
        "clock_back" => "设备时钟倒退",
        "wall_out_of_bounds" => "设备时间不在可证区间内",
        "fix_old" => "定位过旧",
        "fix_repeated" => "定位重复",
        "accuracy_zero" => "定位精度可疑",
        "beacon_unknown" => "引用的检查点不存在",
        other => other,
    }
}

/// A moment in Beijing time, to the second.
#[must_use]
pub fn moment(at: DateTime<Utc>) -> String {
    at.with_timezone(&Shanghai).format("%Y-%m-%d %H:%M:%S").to_string()
}

/// The same of a moment in RFC 3339; any other text stays as it is.
pub(super) fn moment_of(text: &str) -> String {
    DateTime::parse_from_rfc3339(text).map_or_else(|_| text.to_owned(), |at| moment(at.to_utc()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{captures::rules::Fault, cases::rules::Stage};

    #[test]
    fn every_stage_and_fault_has_a_word_that_is_no_code() {
        let codes = Stage::ALL.iter().map(|stage| stage.as_str()).chain(Fault::ALL.iter().map(|fault| fault.as_str()));
        for code in codes {
            assert!(!word(code).is_ascii(), "{code}");
        }
    }

    #[test]
    fn moments_are_told_in_the_time_of_the_county() {
        assert_eq!(moment_of("2026-11-25T16:30:00.505Z"), "2026-11-26 00:30:00");
        assert_eq!(moment_of("昨天"), "昨天");
    }
}
