use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Stage;
use crate::check::{Ended, Outcome, failed, skipped};
use crate::wire::Refused;

pub(super) async fn wrong_token(stage: &mut Stage) -> Outcome {
    let Some(token) = stage.token() else {
        return skipped("needs the token of the gateway (--auth-token)");
    };
    let wrong = format!("{token}x");
    for (what, token) in [("a wrong token", Some(wrong.as_str())), ("no token", None)] {
        match stage.connect(token, None).await {
            Err(Refused::Status(401 | 403)) => {}
            Err(refused) => return failed(format!("to {what}: {refused}")),
            Ok(_) => return failed(format!("to {what}: an open connection")),
        }
    }
    Ok("401 or 403 each time".to_owned())
}

pub(super) async fn token_in_query(stage: &mut Stage) -> Outcome {
    let Some(token) = stage.token() else {
        return skipped("needs the token of the gateway (--auth-token)");
    };
    let encoded: String = token.bytes().map(|byte| format!("%{byte:02X}")).collect();
    match stage.connect(None, Some(format!("token={encoded}"))).await {
        Ok(_) => Ok("an open connection".to_owned()),
        Err(refused) => failed(refused.to_string()),
    }
}

pub(super) async fn bad_request(stage: &mut Stage) -> Outcome {
    const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    const VERSION: &str = "Sec-WebSocket-Version: 13\r\n";
    for (what, headers) in [
        ("no key", VERSION.to_owned()),
        ("a key of 4 bytes", format!("{VERSION}Sec-WebSocket-Key: AAAAAA==\r\n")),
        ("version 8", format!("{KEY}Sec-WebSocket-Version: 8\r\n")),
    ] {
        let status = status_of(stage, &headers).await?;
        if !matches!(status, 400 | 426) {
            return failed(format!("to {what}: HTTP status {status}"));
        }
    }
    Ok("400 or 426 each time".to_owned())
}

/// The status of the answer to an upgrade request with these headers.
async fn status_of(stage: &Stage, headers: &str) -> Result<u16, Ended> {
    let token = stage.token().map(|token| format!("Authorization: Bearer {token}\r\n"));
    let head = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{headers}{}\r\n",
        stage.place.target(None),
        stage.place.authority,
        token.unwrap_or_default(),
    );
    let ask = async {
        let mut stream = TcpStream::connect(&stage.place.address).await?;
        stream.write_all(head.as_bytes()).await?;
        let mut start = [0; 12];
        stream.read_exact(&mut start).await?;
        Ok::<_, std::io::Error>(start)
    };
    match timeout(stage.patience(), ask).await {
        Ok(Ok(start)) => {
            let status = std::str::from_utf8(&start[9..]).ok().and_then(|text| text.parse().ok());
            status.map_or_else(|| failed("an answer that is not HTTP"), Ok)
        }
        Ok(Err(error)) => failed(format!("no answer: {error}")),
        Err(_) => failed(format!("no answer within {:?}", stage.patience())),
    }
}
