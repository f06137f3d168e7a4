//! Where the evidence originals live: what `blob_url` may say.

use std::{fmt, path::PathBuf};
use url::Url;

/// What is said about a `blob_url` that can't be read.
pub const EXPECTED: &str = "必须是 file:路径 或 s3://桶/前缀?endpoint=…&region=…&path_style=…&allow_http=… / \
                            must be file:PATH or s3://BUCKET/PREFIX?endpoint=…&region=…&path_style=…&allow_http=…";

/// A place for the originals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlobPlace {
    /// A local folder.
    Folder(PathBuf),
    /// A bucket of an S3-compatible store.
    Bucket(Bucket),
}

/// A bucket, and how to get at it.
#[derive(Clone, PartialEq, Eq)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// What every key begins with, without slashes at its ends; may be empty.
    pub prefix: String,
    /// The store, for example `https://oss-cn-hangzhou.aliyuncs.com`; `None` for Amazon's own.
    pub endpoint: Option<String>,
    /// The region that requests are signed for.
    pub region: String,
    /// The bucket stands in the path, not in the host name.
    pub path_style: bool,
    /// Its bytes may travel unencrypted.
    pub allow_http: bool,
    /// Who we are there.
    pub access: Access,
}

/// The keys of an account of a store.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// Public half.
    pub key_id: String,
    /// Secret half.
    pub secret: String,
    /// Only with keys that expire.
    pub token: Option<String>,
}

impl fmt::Debug for Bucket {
    /// As a URL, without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{} at {}", self.name, self.prefix, self.endpoint.as_deref().unwrap_or(&self.region))
    }
}

impl BlobPlace {
    /// Reads a `blob_url`. `access` and `region` come from elsewhere, because secrets don't belong into a URL that
    /// process lists show.
    ///
    /// # Errors
    /// A sentence for the person who starts the server.
    pub fn parse(text: &str, access: Access, region: Option<&str>) -> Result<BlobPlace, String> {
        if let Some(path) = text.strip_prefix("file://").or_else(|| text.strip_prefix("file:")) {
            return if path.is_empty() { Err(EXPECTED.into()) } else { Ok(BlobPlace::Folder(path.into())) };
        }
        let url = Url::parse(text).ok().filter(|url| url.scheme() == "s3").ok_or(EXPECTED)?;
        let named =
            |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        let name = url.host_str().filter(|name| named(name) && url.port().is_none() && url.username().is_empty());
        let prefix = url.path().trim_matches('/').to_owned();
        if !prefix.is_empty() && !prefix.split('/').all(|part| named(part) && part != "." && part != "..") {
            return Err("前缀只能含字母、数字和 . _ - / / the prefix may hold letters, digits and . _ - / only".into());
        }
        let mut bucket = Bucket {
            name: name.ok_or(EXPECTED)?.to_owned(),
            prefix,
            endpoint: None,
            region: region.unwrap_or("us-east-1").to_owned(),
            path_style: false,
            allow_http: false,
            access,
        };
        let mut path_style = None;
        for (key, value) in url.query_pairs() {
            let yes = || match value.as_ref() {
                "true" => Ok(true),
                "false" => Ok(false),
                _ => Err(format!("{key}：只能是 true 或 false / must be true or false")),
            };
            match key.as_ref() {
                "endpoint" => bucket.endpoint = Some(value.trim_end_matches('/').to_owned()),
                "region" => bucket.region = value.into_owned(),
                "path_style" => path_style = Some(yes()?),
                "allow_http" => bucket.allow_http = yes()?,
                _ => return Err(format!("{key}：未知参数 / unknown parameter; {EXPECTED}")),
            }
        }
        // Stores at an address of their own rarely have a host name for each bucket.
        bucket.path_style = path_style.unwrap_or(bucket.endpoint.is_some());
        bucket.checked().map(BlobPlace::Bucket)
    }
}

impl Bucket {
    fn checked(self) -> Result<Bucket, String> {
        if let Some(endpoint) = &self.endpoint {
            let url =
                Url::parse(endpoint).ok().filter(|url| url.has_host() && matches!(url.scheme(), "http" | "https"));
            let url = url.ok_or("endpoint：必须是 http(s)://主机[:端口] / must be http(s)://HOST[:PORT]")?;
            if url.scheme() == "http" && !self.allow_http {
                return Err("endpoint：明文 http 须加 allow_http=true / plain http needs allow_http=true".into());
            }
        }
        if self.access.key_id.is_empty() || self.access.secret.is_empty() {
            return Err("缺少 S3 密钥：请设置环境变量 AWS_ACCESS_KEY_ID 和 AWS_SECRET_ACCESS_KEY（或 \
                        CHENGGUAN_S3_ACCESS_KEY_ID 和 CHENGGUAN_S3_SECRET_ACCESS_KEY）/ the S3 keys are missing: set \
                        AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or CHENGGUAN_S3_…) in the environment"
                .into());
        }
        Ok(self)
    }

    /// The address that requests go to: it holds the bucket's name unless that stands in the path.
    pub fn address(&self) -> Option<String> {
        let endpoint = self.endpoint.as_ref()?;
        match endpoint.split_once("://") {
            Some((scheme, host)) if !self.path_style => Some(format!("{scheme}://{}.{host}", self.name)),
            _ => Some(endpoint.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access() -> Access {
        Access { key_id: "id".into(), secret: "very secret".into(), token: None }
    }

    fn bucket(text: &str) -> Result<Bucket, String> {
        match BlobPlace::parse(text, access(), None)? {
            BlobPlace::Bucket(bucket) => Ok(bucket),
            BlobPlace::Folder(path) => Err(path.display().to_string()),
        }
    }

    #[test]
    fn a_bucket_is_read_with_what_it_takes_to_get_at_it() {
        let own =
            bucket("s3://evidence/county/2026/?endpoint=http://10.0.0.5:9000/&allow_http=true&region=cn").unwrap();
        assert_eq!((own.name.as_str(), own.prefix.as_str(), own.region.as_str()), ("evidence", "county/2026", "cn"));
        assert_eq!(own.address().as_deref(), Some("http://10.0.0.5:9000"));
        let hosted = bucket("s3://evidence?endpoint=https%3A%2F%2Foss.example.com&path_style=false").unwrap();
        assert_eq!(hosted.address().as_deref(), Some("https://evidence.oss.example.com"));
        let amazon = bucket("s3://evidence").unwrap();
        assert_eq!((amazon.address(), amazon.path_style, amazon.prefix.as_str()), (None, false, ""));
        assert_eq!(
            BlobPlace::parse("s3://b", access(), Some("cn-north-1")),
            bucket("s3://b?region=cn-north-1").map(BlobPlace::Bucket)
        );
        assert!(!format!("{own:?}").contains("secret"), "{own:?}");
    }

    #[test]
    fn what_cant_be_meant_is_told_in_both_languages() {
        for (text, part) in [
            ("", "s3://"),
            ("file:", "file:PATH"),
            ("gs://bucket", "s3://"),
            ("s3://", "s3://BUCKET"),
            ("s3:///prefix", "s3://BUCKET"),
            ("s3://user@bucket", "s3://BUCKET"),
            ("s3://bucket/%E7%85%A7", "prefix"),
            ("s3://bucket/a/../b//c", "prefix"),
            ("s3://bucket?regoin=x", "unknown parameter"),
            ("s3://bucket?path_style=yes", "true or false"),
            ("s3://bucket?endpoint=10.0.0.5:9000", "HOST"),
            ("s3://bucket?endpoint=http://10.0.0.5:9000", "allow_http"),
        ] {
            let error = bucket(text).unwrap_err();
            assert!(error.contains(part) && !error.is_ascii(), "{text}: {error}");
        }
        let error = BlobPlace::parse("s3://bucket", Access::default(), None).unwrap_err();
        assert!(error.contains("密钥") && error.contains("AWS_ACCESS_KEY_ID"), "{error}");
    }
}
