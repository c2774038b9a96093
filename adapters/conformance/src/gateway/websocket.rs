use super::Stage;
use crate::check::{Outcome, failed};
use crate::wire::frame::{CONTINUATION, Frame, PONG, TEXT, header};
use crate::wire::{End, random_mask};

pub(super) async fn ping(stage: &mut Stage) -> Outcome {
    let mut link = stage.registered().await?;
    for payload in [&b""[..], b"ping", &[0xa5; 125]] {
        link.pong(payload, stage.patience()).await?;
    }
    Ok("a pong with each payload".to_owned())
}

pub(super) async fn fragmented(stage: &mut Stage) -> Outcome {
    let mut link = stage.open().await?;
    let mut registration = stage.registration();
    registration["metadata"]["crab"] = "\u{1f980}".into();
    let bytes = registration.to_string().into_bytes();
    let crab = bytes.iter().position(|byte| !byte.is_ascii()).unwrap_or(1) + 2;
    link.frame(false, TEXT, &bytes[..5]).await;
    link.frame(true, PONG, b"nobody asked").await;
    link.frame(false, CONTINUATION, &bytes[5..crab]).await;
    link.frame(true, CONTINUATION, &bytes[crab..]).await;
    stage.lives(&mut link).await?;
    // Only a registered node's heartbeat is no error.
    link.say(&stage.heartbeat()).await;
    stage.lives(&mut link).await?;
    Ok("a registration that is taken".to_owned())
}

pub(super) async fn unmasked(stage: &mut Stage) -> Outcome {
    let text = stage.heartbeat().to_string();
    let frame =
        Frame { fin: true, reserved: 0, opcode: TEXT, mask: None, payload: text.as_bytes() };
    refused(stage, &frame.encode(), 1002).await
}

pub(super) async fn reserved(stage: &mut Stage) -> Outcome {
    let text = stage.heartbeat().to_string();
    let (mask, payload) = (Some(random_mask()), text.as_bytes());
    let frame = Frame { fin: true, reserved: 4, opcode: TEXT, mask, payload };
    refused(stage, &frame.encode(), 1002).await
}

pub(super) async fn utf8(stage: &mut Stage) -> Outcome {
    let (mask, payload) = (Some(random_mask()), &b"{\"type\":\"\xff\"}"[..]);
    let frame = Frame { fin: true, reserved: 0, opcode: TEXT, mask, payload };
    refused(stage, &frame.encode(), 1007).await
}

pub(super) async fn oversize(stage: &mut Stage) -> Outcome {
    let mut bytes = header(true, TEXT, true, 1 << 40);
    bytes.extend_from_slice(&[1, 2, 3, 4]);
    refused(stage, &bytes, 1009).await
}

async fn refused(stage: &Stage, bytes: &[u8], code: u16) -> Outcome {
    let mut link = stage.registered().await?;
    link.raw(bytes).await;
    match link.end(stage.patience()).await {
        None => failed(format!("a connection that goes on for {:?}", stage.patience())),
        Some(End::Frame { code: Some(other), reason }) if other != code => {
            failed(format!("a close frame with code {other} ({reason})"))
        }
        Some(end) => Ok(end.to_string()),
    }
}

pub(super) async fn no_masks(stage: &mut Stage) -> Outcome {
    let mut link = stage.registered().await?;
    link.pong(b"frames?", stage.patience()).await?;
    // Something that many gateways answer with a message, and some by closing.
    link.text("{").await;
    link.end(stage.look()).await;
    link.close(1000).await;
    link.end(stage.look()).await;
    if link.broken.is_empty() {
        Ok(format!("{} frames", link.masks.len()))
    } else {
        failed(link.broken.join("; "))
    }
}

pub(super) async fn close(stage: &mut Stage) -> Outcome {
    let mut link = stage.registered().await?;
    link.close(1001).await;
    match link.end(stage.patience()).await {
        Some(End::Frame { code: Some(1001), .. }) => {}
        Some(end) => return failed(end.to_string()),
        None => return failed(format!("no close frame within {:?}", stage.patience())),
    }
    if link.stream_ends(stage.patience()).await {
        Ok("a close frame with code 1001, then the end of the stream".to_owned())
    } else {
        failed(format!("a close frame, and a stream that is open {:?} later", stage.patience()))
    }
}
