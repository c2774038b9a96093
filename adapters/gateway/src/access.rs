use axum::body::Body;
use clawnode_protocol::Secret;
use hyper::header::{AUTHORIZATION, HOST, HeaderMap, ORIGIN};
use hyper::{Request, StatusCode, Uri};
use percent_encoding::percent_decode_str;
use subtle::ConstantTimeEq;

use crate::config::Config;

/// Why someone may not come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Denied {
    pub(crate) status: StatusCode,
    pub(crate) message: &'static str,
}

/// Whether a node may connect: its token is in the header or, as original clients send it, in the query.
pub(crate) fn check_node(config: &Config, request: &Request<Body>) -> Result<(), Denied> {
    let Some(token) = &config.auth_token else { return check_local(request.headers()) };
    let shown = match bearer(request.headers()) {
        Some(shown) => Some(shown.to_vec()),
        None => query_token(request.uri()),
    };
    let missing = "no token: start the node with this gateway's auth token, which it sends as `Authorization: Bearer TOKEN` or `?token=TOKEN`";
    let wrong = "wrong token: start the node with this gateway's auth token";
    compare(token, shown.as_deref(), missing, wrong)
}

/// Whether someone may use the HTTP API.
pub(crate) fn check_user(config: &Config, headers: &HeaderMap) -> Result<(), Denied> {
    let Some(token) = &config.auth_token else { return check_local(headers) };
    let missing = "no token: send this gateway's auth token as `Authorization: Bearer TOKEN`";
    let wrong = "wrong token: send this gateway's auth token as `Authorization: Bearer TOKEN`";
    compare(token, bearer(headers), missing, wrong)
}

fn compare(
    token: &Secret,
    shown: Option<&[u8]>,
    missing: &'static str,
    wrong: &'static str,
) -> Result<(), Denied> {
    let message = match shown {
        Some(shown) if token.expose().as_bytes().ct_eq(shown).into() => return Ok(()),
        Some(_) => wrong,
        None => missing,
    };
    Err(Denied { status: StatusCode::UNAUTHORIZED, message })
}

fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

/// `+` stands for itself: tokens in base64 have it, and original clients send them as they are.
fn query_token(uri: &Uri) -> Option<Vec<u8>> {
    let token = uri.query()?.split('&').find_map(|pair| pair.strip_prefix("token="))?;
    Some(percent_decode_str(token).collect())
}

/// Without a token anyone on this machine may come in, but not the web pages in its browsers: they come with a foreign
/// `Origin`, or under a foreign name that was made to resolve to this machine.
fn check_local(headers: &HeaderMap) -> Result<(), Denied> {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()?.parse::<Uri>().ok());
    let origin = headers.get(ORIGIN).map(|origin| origin.to_str().ok()?.parse::<Uri>().ok());
    if !host.is_some_and(|host| is_local(&host)) {
        let message = "a gateway without an auth token must be addressed as localhost or 127.0.0.1; give it a token to use other names";
        return Err(Denied { status: StatusCode::FORBIDDEN, message });
    }
    if origin.is_some_and(|origin| !origin.is_some_and(|origin| is_local(&origin))) {
        let message =
            "web pages of other origins may not use a gateway without an auth token; give it one";
        return Err(Denied { status: StatusCode::FORBIDDEN, message });
    }
    Ok(())
}

fn is_local(uri: &Uri) -> bool {
    let Some(host) = uri.host() else { return false };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(uri: &str, headers: &[(&str, &str)]) -> Request<Body> {
        let mut request = Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Body::empty()).expect("a valid request")
    }

    #[test]
    fn a_node_shows_its_token_in_either_place() {
        let mut config = Config::new("127.0.0.1:0".parse().expect("an address"));
        config.auth_token = Some(Secret::new("a+b/c=="));
        let status = |uri: &str, headers: &[(&str, &str)]| {
            check_node(&config, &request(uri, headers))
                .map_err(|denied| denied.message.split(':').next())
        };
        assert_eq!(status("/", &[("authorization", "Bearer a+b/c==")]), Ok(()));
        assert_eq!(status("/", &[("authorization", "bearer a+b/c==")]), Ok(()));
        assert_eq!(status("/?token=a+b/c==", &[]), Ok(()));
        assert_eq!(status("/any?x=1&token=a%2Bb%2Fc%3D%3D", &[]), Ok(()));
        assert_eq!(status("/", &[]), Err(Some("no token")));
        assert_eq!(status("/?token=", &[]), Err(Some("wrong token")));
        assert_eq!(status("/?token=a", &[]), Err(Some("wrong token")));
        let wrong = status("/?token=a+b/c==", &[("authorization", "Bearer other")]);
        assert_eq!(wrong, Err(Some("wrong token")));
    }

    #[test]
    fn without_a_token_web_pages_stay_out() {
        let config = Config::new("127.0.0.1:0".parse().expect("an address"));
        let allowed = |headers: &[(&str, &str)]| {
            check_user(&config, request("/api/nodes", headers).headers()).is_ok()
        };
        assert!(allowed(&[("host", "localhost:8080")]));
        assert!(allowed(&[("host", "127.0.0.1")]));
        assert!(allowed(&[("host", "[::1]:8080"), ("origin", "http://localhost:3000")]));
        assert!(!allowed(&[("host", "evil.example:8080")]));
        assert!(!allowed(&[("host", "localhost:8080"), ("origin", "https://evil.example")]));
        assert!(!allowed(&[("host", "localhost:8080"), ("origin", "null")]));
        assert!(!allowed(&[]));
    }
}
