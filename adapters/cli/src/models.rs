//! The models of an OpenAI-compatible server, by its `GET /models`.

use std::time::Duration;

use clawnode_commands::{Model, ModelSource, ModelsError};
use clawnode_tokio::Secret;
use serde::Deserialize;

/// A server that is asked each time, as it may load others models meanwhile.
pub(crate) struct OpenAiModels {
    agent: ureq::Agent,
    /// Without a slash at its end, such as `http://127.0.0.1:11434/v1`.
    base: String,
    key: Option<Secret>,
}

impl OpenAiModels {
    /// The server whose API is at `base`, such as `http://127.0.0.1:11434/v1`.
    pub(crate) fn new(base: &str, key: Option<Secret>) -> Self {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .http_status_as_error(false)
            // A redirect would take the key along to wherever it leads.
            .max_redirects(0);
        Self { agent: config.build().into(), base: base.trim_end_matches('/').to_owned(), key }
    }
}

impl ModelSource for OpenAiModels {
    fn models(&self) -> Result<Vec<Model>, ModelsError> {
        let url = format!("{}/models", self.base);
        let failed = |what: String| ModelsError::new(format_args!("{url}: {what}"));
        let mut request = self.agent.get(&url);
        if let Some(key) = &self.key {
            request = request.header("Authorization", format!("Bearer {}", key.expose()));
        }
        let mut response = request.call().map_err(|error| failed(error.to_string()))?;
        let status = response.status();
        if !status.is_success() {
            let cure = match status.as_u16() {
                401 | 403 => "; give its key with --models-key-file",
                404 => "; the URL must be that of the API, which mostly ends in /v1",
                _ => "",
            };
            return Err(failed(format!("the server answers {status}{cure}")));
        }
        let body = response.body_mut().with_config().limit(MOST_BYTES).read_to_vec();
        let body = body.map_err(|error| failed(error.to_string()))?;
        let listed: Listed = serde_json::from_slice(&body).map_err(|error| {
            failed(format!(
                "the answer is no list of models, so this is no OpenAI-compatible API: {error}"
            ))
        })?;
        Ok(listed.data.into_iter().map(model).collect())
    }
}

/// What the server answers; of the rest there is no use here.
#[derive(Deserialize)]
struct Listed {
    data: Vec<ListedModel>,
}

#[derive(Deserialize)]
struct ListedModel {
    id: String,
    #[serde(default)]
    owned_by: Option<String>,
}

fn model(listed: ListedModel) -> Model {
    let mut model = Model::new(listed.id);
    model.model_type = Some("language_model".to_owned());
    // Its files are the server's.
    model.downloaded = Some(false);
    model.provider = listed.owned_by;
    model
}

/// How long a server may take: a person waits for the list.
const PATIENCE: Duration = Duration::from_secs(15);

/// Bytes of a list. The longest public ones have some hundred models of a few hundred bytes each.
const MOST_BYTES: u64 = 4 << 20;

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// A server that answers one request, and what it was asked.
    fn answering(status: &str, body: String) -> (String, thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = Vec::new();
            let mut piece = [0; 1024];
            while !asked.ends_with(b"\r\n\r\n") {
                let read = stream.read(&mut piece).unwrap();
                asked.extend_from_slice(&piece[..read]);
            }
            // A client that refuses the body hangs up.
            let _ = stream.write_all(answer.as_bytes());
            String::from_utf8(asked).unwrap()
        });
        (url, server)
    }

    #[test]
    fn models_are_listed_with_the_key() {
        let body = r#"{"object":"list","data":[{"id":"llama3:8b","object":"model","owned_by":"library"},{"id":"tiny"}]}"#;
        let (url, server) = answering("200 OK", body.to_owned());
        let source = OpenAiModels::new(&format!("{url}/"), Some(Secret::new("k3y")));
        let models = source.models().unwrap();
        let found: Vec<_> =
            models.iter().map(|model| (&*model.id, model.provider.as_deref())).collect();
        assert_eq!(found, [("llama3:8b", Some("library")), ("tiny", None)]);
        let asked = server.join().unwrap().to_lowercase();
        assert!(asked.starts_with("get /v1/models http/1.1\r\n"), "{asked}");
        assert!(asked.contains("authorization: bearer k3y\r\n"), "{asked}");
    }

    #[test]
    fn what_is_wrong_is_said_with_its_cure() {
        for (status, body, expected) in [
            (
                "401 Unauthorized",
                "",
                "the server answers 401 Unauthorized; give its key with --models-key-file",
            ),
            ("404 Not Found", "", "the URL must be that of the API, which mostly ends in /v1"),
            ("302 Found", "", "the server answers 302 Found"),
            ("200 OK", "<html>", "this is no OpenAI-compatible API"),
            ("200 OK", "{}", "missing field `data`"),
        ] {
            let (url, server) = answering(status, body.to_owned());
            let error = OpenAiModels::new(&url, None).models().unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("the models cannot be listed: {url}/models: ")),
                "{error}"
            );
            assert!(error.contains(expected), "{error}");
            server.join().unwrap();
        }
        let error = OpenAiModels::new("http://127.0.0.1:1/v1", None).models().unwrap_err();
        assert!(error.to_string().contains("refused"), "{error}");
    }

    #[test]
    fn a_list_of_the_most_bytes_is_read_and_one_byte_more_is_not() {
        let most = usize::try_from(MOST_BYTES).unwrap();
        for (size, fits) in [(most, true), (most + 1, false)] {
            let mut body = r#"{"data":[]}"#.to_owned();
            body.push_str(&" ".repeat(size - body.len()));
            let (url, server) = answering("200 OK", body);
            assert_eq!(OpenAiModels::new(&url, None).models().is_ok(), fits);
            server.join().unwrap();
        }
    }
}
