//! The page of a bundle that a person opens first.

use super::{
    export::Dossier,
    words::{moment, moment_of, word},
};
use std::fmt::Write;

/// The page, in Chinese, without anything from elsewhere.
pub(super) fn page(dossier: &Dossier, log: &str) -> String {
    let mut html = String::from(
        "<!doctype html>\n<html lang=\"zh-CN\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>案件证据包</title>\n<style>body{font:16px/1.6 sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\
         table{border-collapse:collapse;width:100%}td,th{border:1px solid #ccc;padding:.3rem .5rem;text-align:left;\
         vertical-align:top}code{font-size:13px;word-break:break-all}img,video{max-width:100%;max-height:24rem}\
         figure{margin:1.5rem 0}</style>\n",
    );
    let case = &dossier.case;
    let text = |field: &str| escape(case[field].as_str().unwrap_or("—"));
    put(&mut html, format_args!("<h1>案件证据包 {}</h1>\n<p>{}</p>\n", text("number"), text("title")));
    put(
        &mut html,
        format_args!(
            "<p>本包由智慧城管平台导出。每个文件的摘要列在 manifest.json 中，清单本身的摘要已写入存证日志，\
             proofs.json 给出到日志签名检查点的证明。核验不需要联网，也不需要数据库：</p>\n\
             <pre>chengguan verify 本文件夹 --log-key '{}'</pre>\n\
             <p>请把上面的日志公钥与县城管部门另行公布的公钥对照；只有公钥来自别处，核验才能证明证据由谁出具。</p>\n",
            escape(log)
        ),
    );
    put(
        &mut html,
        format_args!(
            "<h2>案件</h2>\n<table><tr><th>地点<td>{}<tr><th>描述<td>{}<tr><th>上报时间<td>{}<tr><th>当前环节<td>{}</table>\n",
            text("address"),
            text("description"),
            moment_of(&text("reported_at")),
            word(&text("state"))
        ),
    );
    html.push_str("<h2>办理经过</h2>\n<table><tr><th>时间（北京时间）<th>操作<th>人员<th>结果<th>说明\n");
    for event in &dossier.timeline {
        let text = |field: &str| escape(event[field].as_str().unwrap_or(""));
        put(
            &mut html,
            format_args!(
                "<tr><td>{}<td>{}<td>{}<td>{}<td>{}\n",
                moment_of(&text("at")),
                word(&text("command")),
                text("actor_name"),
                word(&text("state")),
                text("note")
            ),
        );
    }
    html.push_str("</table>\n<h2>证据</h2>\n");
    for item in &dossier.evidence {
        let record = &item.record;
        let said = |field: &str| escape(record[field].as_str().unwrap_or("未注明"));
        html.push_str("<figure>\n");
        match &item.piece.original {
            Some(path) if item.media_type.starts_with("image/") => {
                put(&mut html, format_args!("<img src=\"{}\" alt=\"照片\">\n", escape(path)));
            }
            Some(path) if item.media_type.starts_with("video/") => {
                put(&mut html, format_args!("<video src=\"{}\" controls></video>\n", escape(path)));
            }
            Some(path) => put(&mut html, format_args!("<a href=\"{}\">原件</a>\n", escape(path))),
            None => html.push_str("<p>原件不在本包中（未收到或已依规定删除）。</p>\n"),
        }
        put(
            &mut html,
            format_args!(
                "<figcaption>{} · 拍摄 {} · 入库 {} · {} 字节<br><code>SHA-256 {}</code>",
                said("filename"),
                moment_of(&said("captured_at")),
                moment_of(&said("stored_at")),
                item.piece.size,
                escape(&item.piece.sha256)
            ),
        );
        for flag in record["flags"].as_array().into_iter().flatten() {
            let part = |field: &str| escape(flag[field].as_str().unwrap_or(""));
            put(&mut html, format_args!("<br>提示：{} {}", word(&part("code")), part("detail")));
        }
        for exhibit in &item.exhibits {
            let row = &exhibit.row;
            put(
                &mut html,
                format_args!(
                    "<br>签名：设备 {} 第 {} 批第 {} 条 · 拍摄时间可证区间 {} 至 {}",
                    escape(&exhibit.device_name),
                    row.epoch.unwrap_or_default(),
                    row.seq.unwrap_or_default(),
                    row.lower_at.map_or("—".into(), |at| moment(at.0)),
                    moment(row.received_at.0)
                ),
            );
            for flag in row.findings.0.as_array().into_iter().flatten() {
                let part = |field: &str| escape(flag[field].as_str().unwrap_or(""));
                put(&mut html, format_args!("<br>提示：{} {}", word(&part("code")), part("detail")));
            }
        }
        if item.exhibits.is_empty() {
            html.push_str("<br>未经设备签名");
        }
        html.push_str("</figcaption>\n</figure>\n");
    }
    html.push_str("</html>\n");
    html
}

fn put(html: &mut String, text: std::fmt::Arguments) {
    // Writing to a string can't fail.
    _ = html.write_fmt(text);
}

fn escape(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
        out
    })
}
