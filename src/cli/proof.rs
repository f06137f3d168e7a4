//! `chengguan export-evidence|verify|replay|check`: evidence for outsiders, and our own look at what is kept.

use super::{Common, say};
use crate::{
    app::App,
    assessment::pack::{self, PackCorrection},
    db::types::CaseId,
    env::Env,
    error::Code,
    identity,
    proof::{check, export, verify},
    tlog::LogName,
};
use clap::Args;
use std::{path::PathBuf, time::Duration};

type Outcome = Result<(), Box<dyn std::error::Error>>;

#[derive(Args)]
pub(super) struct ExportArgs {
    #[command(flatten)]
    common: Common,
    /// The case's number or id.
    case: String,
    /// Who hands it over: the name of an account that may see the case.
    #[arg(long = "as")]
    username: String,
    /// Why; it becomes part of the log.
    #[arg(long)]
    reason: String,
    /// The folder to write; it must not be there yet [default: ./<number>]
    #[arg(long)]
    out: Option<PathBuf>,
}

#[derive(Args)]
pub(super) struct VerifyArgs {
    /// The bundle's folder.
    bundle: PathBuf,
    /// The log's key from elsewhere, name+id+key; without it only the bundle's own key is there to check by.
    #[arg(long)]
    log_key: Option<String>,
}

#[derive(Args)]
pub(super) struct ReplayArgs {
    /// A published month's pack.
    pack: PathBuf,
    /// The digest that was published with it; without it only the pack's own computation is checked.
    #[arg(long)]
    sha256: Option<String>,
}

#[derive(Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    common: Common,
    /// Minutes for reading originals; the next check goes on from there.
    #[arg(long, default_value_t = 120)]
    minutes: u64,
}

/// Writes the bundle of a case.
pub(super) fn export_evidence(args: &ExportArgs) -> Outcome {
    let config = args.common.load()?;
    super::run_async(async move {
        let app = App::open(config, Env::system()).await?;
        let (username, case) = (args.username.clone(), args.case.clone());
        let (who, id, number) = app
            .db
            .read(move |db| {
                let who = identity::actions::person(db, &username)?;
                let row = match case.parse::<CaseId>() {
                    Ok(id) => crate::cases::actions::case_get(db, &who, id)?,
                    Err(_) => crate::cases::actions::case_by_number(db, &who, &case)?,
                };
                Ok((who, row.id, row.number))
            })
            .await?;
        if args.reason.trim().is_empty() {
            return Err(Code::ValueInvalid.with("--reason").into());
        }
        let out = args.out.clone().unwrap_or_else(|| PathBuf::from(&number));
        let exported = export::export(&app, &who, id, args.reason.trim(), &out).await?;
        say(format_args!(
            "{}: {} files, {} originals, sealed in the log",
            exported.folder.display(),
            exported.files,
            exported.originals
        ));
        say(format_args!("log key, to be handed over apart from the bundle: {}", exported.log));
        Ok(())
    })
}

/// Checks a bundle. Who runs it reads Chinese: it is for outsiders.
pub(super) fn verify(args: &VerifyArgs) -> Outcome {
    let key = args.log_key.as_deref().map(LogName::parse).transpose()?;
    let report = verify::verify(&args.bundle, key.as_ref());
    for finding in &report.findings {
        say(format_args!("✗ {}：{} [{}]", finding.path, finding.detail, finding.fault));
    }
    if !report.findings.is_empty() {
        return Err(format!("核验不通过：{} 处问题", report.findings.len()).into());
    }
    say(format_args!(
        "✓ 案件 {}：{} 个文件与清单一致，{} 件原件与入库记录一致，{} 条设备签名成立，{} 条存证记录在已签名的日志中",
        report.number, report.files, report.originals, report.captures, report.leaves
    ));
    if report.key_compared {
        say("✓ 日志公钥与给定公钥一致");
    } else {
        say(format_args!("! 未给出 --log-key，只能证明本包自身一致。请对照另行公布的日志公钥：{}", report.log));
    }
    Ok(())
}

/// Recomputes a month of the assessment. Who runs it reads Chinese: it is for the judged.
pub(super) fn replay(args: &ReplayArgs) -> Outcome {
    let name = args.pack.display();
    let text = std::fs::read_to_string(&args.pack).map_err(|error| format!("{name}: {error}"))?;
    let replayed = pack::replay(&text).map_err(|error| format!("{name}: {error}"))?;
    let edition = replayed.correction.as_ref().map_or(1, |correction| correction.edition);
    say(format_args!(
        "{} 考核（第 {edition} 版）：{} 个单位，{} 条明细",
        replayed.month, replayed.units, replayed.lines
    ));
    if let Some(PackCorrection { corrects, reason, .. }) = &replayed.correction {
        say(format_args!("更正第 {} 版（SHA-256：{corrects}），原因：{reason}", edition - 1));
    }
    say(format_args!("SHA-256：{}", replayed.sha256));
    for difference in &replayed.differences {
        say(format_args!("✗ {difference}"));
    }
    if !replayed.differences.is_empty() {
        return Err("不一致：重算结果与包内成绩不同".into());
    }
    match &args.sha256 {
        Some(published) if published.trim().eq_ignore_ascii_case(&replayed.sha256) => {
            say("✓ 一致：重算结果与包内成绩相同，摘要与公布的相同");
        }
        Some(published) => {
            return Err(format!("不一致：摘要与公布的不同（公布 {}）", published.trim()).into());
        }
        None => say("✓ 一致：重算结果与包内成绩相同。请再对照通报上公布的摘要（--sha256）"),
    }
    Ok(())
}

/// Compares what is kept with the log, now.
pub(super) fn check(args: &CheckArgs) -> Outcome {
    let config = args.common.load()?;
    super::run_async(async move {
        let app = App::open(config, Env::system()).await?;
        let checked = check::check(&app, Duration::from_secs(args.minutes * 60)).await?;
        for finding in &checked.findings {
            say(format_args!("✗ {} {}", finding.disagreement, finding.subject));
        }
        say(format_args!(
            "{} leaves, {} signed trees, {} records, {} originals ({} bytes) read; {} disagreements{}",
            checked.leaves,
            checked.trees,
            checked.evidence,
            checked.originals,
            checked.bytes,
            checked.findings.len(),
            checked.next.map_or(String::new(), |next| format!("; the next check goes on after {next}")),
        ));
        if checked.findings.is_empty() { Ok(()) } else { Err("what is kept does not agree with the log".into()) }
    })
}
