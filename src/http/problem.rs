//! The one translation of a [`Code`] into HTTP: status, title for a person, RFC 9457 body.

use crate::error::{Code, Error, FileFault};
use actix_web::{HttpResponse, HttpResponseBuilder, ResponseError, http::StatusCode};
use serde::{Deserialize, Serialize};

/// The language a person reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// zh-CN, the default.
    Chinese,
    /// en.
    English,
}

impl Language {
    /// Chinese, unless `Accept-Language` names English first.
    pub fn from_header(value: Option<&str>) -> Language {
        let first = value.unwrap_or_default().trim_start();
        if first.get(..2).is_some_and(|tag| tag.eq_ignore_ascii_case("en")) {
            Language::English
        } else {
            Language::Chinese
        }
    }
}

/// An `application/problem+json` body (RFC 9457) with members of our own.
#[derive(Debug, Clone, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Problem {
    /// `/problems/<code>`.
    pub r#type: String,
    /// What happened, in the reader's language.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// The stable reason; see `api-spec/problems.md`.
    pub code: String,
    /// What exactly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The log has this id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Everything that is wrong with an imported file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<FileFault>,
}

/// The status and the titles (zh-CN, en) of a code.
#[rustfmt::skip]
pub fn catalogue(code: Code) -> (u16, &'static str, &'static str) {
    match code {
        Code::JsonMalformed => (400, "请求内容不是有效的 JSON", "The body is not JSON"),
        Code::BodyInvalid => (422, "请求内容不符合接口要求", "The body does not have the documented shape"),
        Code::NulCharacter => (422, "文字中含有不允许的空字符", "A text holds U+0000"),
        Code::ParameterInvalid => (400, "请求参数无法识别", "A parameter can't be read"),
        Code::BodyTooLarge => (413, "请求内容过大", "The body is too large"),
        Code::BodyInterrupted => (400, "请求内容没有传完", "The body ended early"),
        Code::MediaTypeUnsupported => (415, "不支持的内容类型", "Unsupported media type"),
        Code::RouteUnknown => (404, "没有这个地址", "Nothing lives here"),
        Code::MethodNotAllowed => (405, "这个地址不支持该操作", "Method not allowed"),
        Code::NotFound => (404, "找不到该记录", "Not found"),
        Code::ValueInvalid => (422, "填写的内容不符合规定", "A value breaks a rule"),
        Code::AlreadyExists => (409, "已存在内容不同的同一记录", "It exists already with other content"),
        Code::TableInvalid => (422, "文件内容有误，未导入任何数据", "The file has errors; nothing was imported"),
        Code::CredentialsMissing => (401, "请先登录", "Sign in first"),
        Code::CredentialsWrong => (401, "用户名或密码不正确", "Wrong user name or password"),
        Code::AccountLocked => (429, "密码错误次数过多，账号已暂时锁定，请稍后再试", "Too many wrong passwords, try later"),
        Code::AccountDisabled => (401, "账号已停用，请联系管理员", "The account is disabled"),
        Code::TokenInvalid => (401, "登录凭证无效，请重新登录", "The token is invalid"),
        Code::TokenExpired => (401, "登录已过期，请重新登录", "The token has expired"),
        Code::SessionEnded => (401, "会话已结束，请重新登录", "The session was ended"),
        Code::RefreshReused => (401, "刷新凭证被重复使用，为安全起见已退出登录", "The refresh token was reused, the session was ended"),
        Code::DeviceUnknown => (401, "设备未登记", "The device is not enrolled"),
        Code::DeviceRevoked => (403, "设备已被注销", "The device was revoked"),
        Code::CodeWrong => (403, "一次性代码不正确、已使用或已过期", "The one-time code is wrong, used or too old"),
        Code::RoleForbidden => (403, "您的角色无权执行此操作", "Your role may not do this"),
        Code::DeviceRequired => (403, "此操作只能由已登记的设备执行", "Only a device may do this"),
        Code::UserRequired => (403, "此操作需要人员登录", "Only a signed-in person may do this"),
        Code::UnitForeign => (403, "该案件不属于您的单位", "The case belongs to another unit"),
        Code::LogPending => (409, "正在写入存证日志，请几秒后再查", "It gets its place in the log within seconds"),
        Code::StageForbids => (409, "案件当前环节不允许此操作", "The case's stage does not allow this"),
        Code::DrawStageForbids => (409, "抽签当前步骤不允许此操作", "The draw is not at the step that allows this"),
        Code::StageMoved => (409, "案件已被他人推进到别的环节", "Somebody moved the case on"),
        Code::VersionStale => (409, "记录已被他人修改，请刷新后再试", "The record has changed"),
        Code::HoldPending => (409, "已申请挂账或已经挂账", "A hold is waiting or granted already"),
        Code::HoldAbsent => (409, "没有待审批的挂账申请，或没有挂账", "No hold is waiting, or the clock is running"),
        Code::ExtensionPending => (409, "已有延期申请待审批", "An extension is waiting already"),
        Code::ExtensionAbsent => (409, "没有待审批的延期申请", "No extension is waiting"),
        Code::DueAtInvalid => (422, "截止时间不正确", "The deadline is not valid"),
        Code::MonthForbids => (409, "该月考核当前阶段不允许此操作", "The month's phase does not allow this"),
        Code::SignatureWrong => (401, "报文签名不正确", "The message's signature is wrong"),
        Code::EpochStale => (409, "设备的数据批次已过期，需要重新登记批次", "The device's epoch is stale"),
        Code::ProtocolUnsupported => (426, "客户端版本过旧，请升级后再读取；未上传的操作仍可提交", "The client is too old to read; it may still push"),
        Code::FieldChanged => (409, "同一内容已被他人修改", "Somebody changed the same field"),
        Code::HeldTooLong => (409, "等待超过 72 小时，需人工处理", "It waited too long"),
        Code::Discarded => (409, "经人工审核未采用", "A reviewer decided against it"),
        Code::ReviewClosed => (409, "该事项已处理", "It is settled already"),
        Code::OpMalformed => (422, "操作内容无法识别，原文已保存", "The operation can't be read; its bytes are kept"),
        Code::OpIdReused => (409, "同一操作编号被用于不同内容", "The operation id was used for another payload"),
        Code::OpUnsupported => (422, "服务器暂不支持该操作，已保存待处理", "Unknown operation, kept"),
        Code::ArgsInvalid => (422, "操作的参数不符合要求", "The arguments break a rule"),
        Code::DependencyMissing => (409, "前一步操作尚未收到，暂存等待", "An earlier operation has not arrived"),
        Code::DependencyUnsettled => (409, "前一步操作未成功，需人工处理", "An earlier operation did not succeed"),
        Code::EvidenceMissing => (409, "所需照片或视频尚未收到，暂存等待", "Evidence has not arrived"),
        Code::PhotoReuseUndecided => (409, "处置前后照片疑似相同，须先由人认定", "Whether the photos of before and after are the same picture must be decided first"),
        Code::Reauth => (409, "请操作人在本设备重新登录，操作已保存", "The person must sign in again; the operation is kept"),
        Code::CaseClaimed => (409, "案件已被他人认领", "Somebody else has the case in hand"),
        Code::CaseNotLate => (409, "案件没有超期，无需申诉", "The case is not late"),
        Code::AlreadyDone => (409, "他人已完成同一步骤", "Somebody did this already"),
        Code::CursorInvalid => (400, "同步位置无法识别，请重新获取全量", "The cursor can't be read"),
        Code::CursorExpired => (410, "同步位置过旧，请重新获取全量", "The cursor is too old"),
        Code::GenerationChanged => (409, "服务器数据已恢复，请重新获取全量", "The server was restored"),
        Code::ScopeChanged => (409, "可见范围已变化，请获取新增范围的数据", "The scope has changed"),
        Code::TusVersion => (412, "上传协议版本不支持", "Unsupported tus version"),
        Code::TusHeaderInvalid => (400, "上传请求头不正确", "A tus header is wrong"),
        Code::OffsetMismatch => (409, "上传位置与服务器不一致", "The offset does not match"),
        Code::UploadTakenOver => (409, "上传已由另一连接接管", "Another request took the upload over"),
        Code::UploadsTooMany => (423, "同时上传的文件过多，请稍后再传", "Too many uploads at once, try later"),
        Code::LengthExceeded => (413, "内容超过声明的长度", "More bytes than declared"),
        Code::UploadTooLarge => (413, "文件过大", "The file is too large"),
        Code::UploadQuotaExceeded => (413, "未完成的上传占用空间已达上限", "Unfinished uploads hold too much already"),
        Code::StorageFull => (507, "服务器存储空间不足，已收到的内容均已保存", "The disk is full; what was acknowledged is kept"),
        Code::ChecksumMismatch => (460, "校验值不一致，文件内容有误", "The checksum does not match"),
        Code::ChecksumUnsupported => (400, "不支持的校验算法", "Unsupported checksum algorithm"),
        Code::UploadGone => (410, "该上传已结束", "The upload is over"),
        Code::UploadFinalizing => (423, "正在核对文件，请稍后再查", "The upload is being finished"),
        Code::IdempotencyMismatch => (422, "同一幂等键的参数不一致", "Idempotency key with other parameters"),
        Code::EvidenceAccepted => (403, "已入库的证据不能这样删除", "Accepted evidence can't be removed this way"),
        Code::EvidenceNotStored => (409, "文件尚未上传完成", "The bytes have not arrived"),
        Code::ThumbnailUnavailable => (404, "无法生成缩略图", "No thumbnail can be made"),
        Code::PosterUnavailable => (404, "服务器未安装视频解码程序（ffmpeg），无法生成视频封面", "This server has no ffmpeg to make a picture of a video"),
        Code::RangeInvalid => (416, "请求的范围超出文件", "The range lies outside the file"),
        Code::ReasonRequired => (403, "受限证据，请先填写查看事由", "Restricted evidence: give a reason to open it"),
        Code::EvidenceDeleted => (410, "该证据已删除或正在等待删除", "The evidence was deleted, or is about to be"),
        Code::LegalHold => (409, "该证据已依法冻结保存，不能删除", "A legal hold keeps the evidence"),
        Code::CaseOpen => (409, "关联的案件或记录尚未办结，不能删除", "It belongs to a case or record that is not over"),
        Code::RetentionRunning => (409, "保存期限未满，不能删除", "It must be kept longer"),
        Code::DeletionPending => (409, "已有删除申请", "A deletion was proposed already"),
        Code::DeletionAbsent => (409, "没有可处理的删除申请", "No deletion is there to be decided or undone"),
        Code::SecondPersonRequired => (403, "须由另一人审批", "It needs a second person"),
        Code::RedactionUnavailable => (422, "该文件不能打码，目前只支持照片", "This file can't be redacted; only photos can"),
        Code::Busy => (503, "服务器繁忙，请稍后重试", "Busy, try again"),
        Code::Internal => (500, "服务器内部错误，请把编号告知管理员", "Internal error"),
    }
}

/// The sentence of a code for people, in Chinese.
pub fn title_zh(code: Code) -> &'static str {
    catalogue(code).1
}

/// The problem for an error, in one language.
pub fn problem(error: &Error, language: Language, request_id: Option<String>) -> Problem {
    let (status, chinese, english) = catalogue(error.code);
    Problem {
        r#type: format!("/problems/{}", error.code.as_str()),
        title: match language {
            Language::Chinese => chinese,
            Language::English => english,
        }
        .to_owned(),
        status,
        code: error.code.as_str().to_owned(),
        detail: error.detail.clone(),
        request_id,
        faults: error.faults.clone(),
    }
}

/// The response for an error.
pub fn response(error: &Error, language: Language, request_id: Option<String>) -> HttpResponse {
    let body = problem(error, language, request_id);
    let status = StatusCode::from_u16(body.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut builder = HttpResponseBuilder::new(status);
    if matches!(error.code, Code::Busy | Code::UploadFinalizing | Code::UploadsTooMany | Code::AccountLocked) {
        builder.insert_header(("Retry-After", "2"));
    }
    if status == StatusCode::UNAUTHORIZED {
        builder.insert_header(("WWW-Authenticate", "Bearer"));
    }
    let text = serde_json::to_string(&body).unwrap_or_default();
    builder.content_type("application/problem+json").body(text)
}

impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(catalogue(self.code).0).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// In Chinese and without a request id; `http::edge` rewrites it with both.
    fn error_response(&self) -> HttpResponse {
        response(self, Language::Chinese, None)
    }
}
