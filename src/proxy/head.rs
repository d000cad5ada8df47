//! What hyper lets pass in a request head and a gateway must not.
//!
//! After `check`, a request has one host at most, one framing, and a target that every server reads as the same
//! form. The header names that remain are cleaned by `hygiene`.

use std::{borrow::Cow, net::Ipv6Addr};

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, Version,
    header::{CONTENT_LENGTH, EXPECT, HOST, TRANSFER_ENCODING},
    request::Parts,
};

use crate::routing::client;

pub(crate) mod forwarded;
pub(crate) mod hygiene;

/// Bytes of path and query.
pub(crate) const TARGET_BYTES_MAX: usize = 8 * 1024;

/// Header fields of a request, repeated ones counted each.
pub(crate) const HEADERS_MAX: usize = 100;

/// Bytes of a host name (RFC 1035 section 2.3.4).
const HOST_BYTES_MAX: usize = 253;

/// Why a head is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeadProblem {
    Method,
    TargetForm,
    TargetTooLong,
    TooManyHeaders,
    HostMissing,
    HostRepeated,
    HostInvalid,
    HostMismatch,
    TransferEncodingUnknown,
    TransferEncodingRepeated,
    TransferEncodingTooOld,
    LengthWithTransferEncoding,
    LengthInvalid,
    Expectation,
    UpgradeWithBody,
}

impl HeadProblem {
    /// The status of the answer.
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
            Self::TooManyHeaders => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::TransferEncodingUnknown => StatusCode::NOT_IMPLEMENTED,
            Self::Expectation => StatusCode::EXPECTATION_FAILED,
            Self::TargetForm
            | Self::HostMissing
            | Self::HostRepeated
            | Self::HostInvalid
            | Self::HostMismatch
            | Self::TransferEncodingRepeated
            | Self::TransferEncodingTooOld
            | Self::LengthWithTransferEncoding
            | Self::LengthInvalid
            | Self::UpgradeWithBody => StatusCode::BAD_REQUEST,
        }
    }

    /// The machine-readable name of the problem.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Method => "method_refused",
            Self::TargetForm => "target_form",
            Self::TargetTooLong => "target_too_long",
            Self::TooManyHeaders => "headers_too_many",
            Self::HostMissing => "host_missing",
            Self::HostRepeated => "host_repeated",
            Self::HostInvalid => "host_invalid",
            Self::HostMismatch => "host_mismatch",
            Self::TransferEncodingUnknown => "transfer_encoding_unknown",
            Self::TransferEncodingRepeated => "transfer_encoding_repeated",
            Self::TransferEncodingTooOld => "transfer_encoding_too_old",
            Self::LengthWithTransferEncoding => "length_with_transfer_encoding",
            Self::LengthInvalid => "length_invalid",
            Self::Expectation => "expectation_unknown",
            Self::UpgradeWithBody => "upgrade_with_body",
        }
    }

    /// What to tell the client.
    pub(crate) fn sentence(self) -> &'static str {
        match self {
            Self::Method => "CONNECT, TRACE and TRACK are not served here.",
            Self::TargetForm => "The request target is neither a path nor an http URL.",
            Self::TargetTooLong => "The path and query are longer than 8 KiB.",
            Self::TooManyHeaders => "The request has more than 100 header fields.",
            Self::HostMissing => "The request has no Host.",
            Self::HostRepeated => "The request has more than one Host.",
            Self::HostInvalid => "The Host is not a host name with an optional port.",
            Self::HostMismatch => "The Host is not that of the request target.",
            Self::TransferEncodingUnknown => {
                "The only Transfer-Encoding understood here is chunked."
            }
            Self::TransferEncodingRepeated => "The request has more than one Transfer-Encoding.",
            Self::TransferEncodingTooOld => "Transfer-Encoding needs HTTP/1.1.",
            Self::LengthWithTransferEncoding => {
                "The request has both Content-Length and Transfer-Encoding."
            }
            Self::LengthInvalid => "The Content-Length is not one number.",
            Self::Expectation => "The only expectation understood here is 100-continue.",
            Self::UpgradeWithBody => "A request for an upgrade has a body.",
        }
    }
}

/// Refuses what two servers could understand as different requests.
pub(crate) fn check(parts: &Parts) -> Result<(), HeadProblem> {
    if parts.headers.len() > HEADERS_MAX {
        return Err(HeadProblem::TooManyHeaders);
    }
    check_target(&parts.method, &parts.uri)?;
    check_host(parts)?;
    check_framing(parts)?;
    check_expectation(&parts.headers)
}

/// The effective host name, in lower case, without port and final dot. `None` only if an HTTP/1.0 request
/// that passed `check` names none.
pub(crate) fn host(parts: &Parts) -> Option<Cow<'_, str>> {
    let text = match parts.uri.authority() {
        Some(authority) => authority.as_str().as_bytes(),
        None => parts.headers.get(HOST)?.as_bytes(),
    };
    let name = HostPort::parse(text)?.name;
    let is_lower = !name.bytes().any(|byte| byte.is_ascii_uppercase());
    Some(if is_lower {
        Cow::Borrowed(name)
    } else {
        Cow::Owned(name.to_ascii_lowercase())
    })
}

/// The effective host and port as the request writes them.
pub(crate) fn written_host(parts: &Parts) -> Option<HeaderValue> {
    match parts.uri.authority() {
        Some(authority) => HeaderValue::from_str(authority.as_str()).ok(),
        None => parts.headers.get(HOST).cloned(),
    }
}

/// Host and port as they are written in a `Host` header.
#[derive(Clone, Copy)]
struct HostPort<'a> {
    /// Without a final dot.
    name: &'a str,
    port: Option<u16>,
}

impl<'a> HostPort<'a> {
    /// Stricter than RFC 3986: names are letters, digits, `-`, `.` and `_`; addresses are IPv4 or bracketed IPv6.
    fn parse(text: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let (name, port) = match text
            .rfind(':')
            .filter(|colon| !text[*colon..].contains(']'))
        {
            Some(colon) => (&text[..colon], Some(&text[colon + 1..])),
            None => (text, None),
        };
        let port = match port {
            None | Some("") => None,
            Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(port.parse().ok()?)
            }
            Some(_) => return None,
        };
        if let Some(address) = name.strip_prefix('[') {
            address.strip_suffix(']')?.parse::<Ipv6Addr>().ok()?;
            return Some(Self { name, port });
        }
        let name = name.strip_suffix('.').unwrap_or(name);
        let plain = |label: &str| {
            !label.is_empty()
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        };
        (name.len() <= HOST_BYTES_MAX && name.split('.').all(plain)).then_some(Self { name, port })
    }

    /// Whether both name the same place, where `scheme_port` is what an absent port means.
    fn is(&self, other: &Self, scheme_port: u16) -> bool {
        self.name.eq_ignore_ascii_case(other.name)
            && self.port.unwrap_or(scheme_port) == other.port.unwrap_or(scheme_port)
    }
}

fn check_target(method: &Method, uri: &Uri) -> Result<(), HeadProblem> {
    // TRACK is the name that IIS has for TRACE.
    if *method == Method::CONNECT || *method == Method::TRACE || method.as_str() == "TRACK" {
        return Err(HeadProblem::Method);
    }
    if uri
        .path_and_query()
        .is_some_and(|target| target.as_str().len() > TARGET_BYTES_MAX)
    {
        return Err(HeadProblem::TargetTooLong);
    }
    let is_http = uri
        .scheme_str()
        .is_none_or(|scheme| matches!(scheme, "http" | "https"));
    let is_authority_form = uri.authority().is_some() && uri.scheme().is_none();
    let is_path = uri.path().starts_with('/') || (uri.path() == "*" && *method == Method::OPTIONS);
    if is_http && is_path && !is_authority_form {
        Ok(())
    } else {
        Err(HeadProblem::TargetForm)
    }
}

fn check_host(parts: &Parts) -> Result<(), HeadProblem> {
    let authority = match parts.uri.authority() {
        Some(authority) => {
            Some(HostPort::parse(authority.as_str().as_bytes()).ok_or(HeadProblem::HostInvalid)?)
        }
        None => None,
    };
    let mut hosts = parts.headers.get_all(HOST).iter();
    let Some(host) = hosts.next() else {
        let may_be_missing = parts.version != Version::HTTP_11;
        return if may_be_missing {
            Ok(())
        } else {
            Err(HeadProblem::HostMissing)
        };
    };
    if hosts.next().is_some() {
        return Err(HeadProblem::HostRepeated);
    }
    let host = HostPort::parse(host.as_bytes()).ok_or(HeadProblem::HostInvalid)?;
    let scheme_port = if parts.uri.scheme_str() == Some("https") {
        443
    } else {
        80
    };
    match authority {
        Some(authority) if !authority.is(&host, scheme_port) => Err(HeadProblem::HostMismatch),
        _ => Ok(()),
    }
}

fn check_framing(parts: &Parts) -> Result<(), HeadProblem> {
    let headers = &parts.headers;
    if let Some(encoding) = only(
        headers,
        &TRANSFER_ENCODING,
        HeadProblem::TransferEncodingRepeated,
    )? {
        if !encoding.as_bytes().eq_ignore_ascii_case(b"chunked") {
            return Err(HeadProblem::TransferEncodingUnknown);
        }
        if parts.version < Version::HTTP_11 {
            return Err(HeadProblem::TransferEncodingTooOld);
        }
        if headers.contains_key(CONTENT_LENGTH) {
            return Err(HeadProblem::LengthWithTransferEncoding);
        }
    }
    let length = only(headers, &CONTENT_LENGTH, HeadProblem::LengthInvalid)?;
    let is_number = |length: &HeaderValue| {
        !length.is_empty() && length.as_bytes().iter().all(u8::is_ascii_digit)
    };
    if !length.is_none_or(is_number) {
        return Err(HeadProblem::LengthInvalid);
    }
    let has_body =
        headers.contains_key(TRANSFER_ENCODING) || length.is_some_and(|length| length != "0");
    if has_body && client::is_websocket(parts) {
        return Err(HeadProblem::UpgradeWithBody);
    }
    Ok(())
}

fn check_expectation(headers: &HeaderMap) -> Result<(), HeadProblem> {
    let mut expectations = headers.get_all(EXPECT).iter();
    if expectations.all(|expectation| expectation.as_bytes().eq_ignore_ascii_case(b"100-continue"))
    {
        Ok(())
    } else {
        Err(HeadProblem::Expectation)
    }
}

/// The only value of a header, or `repeated`.
fn only<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
    repeated: HeadProblem,
) -> Result<Option<&'a HeaderValue>, HeadProblem> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        Err(repeated)
    } else {
        Ok(first)
    }
}

#[cfg(test)]
mod tests;
