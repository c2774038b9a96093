//! The models that workflows may ask, for `list_models`.

use clawnode_commands::{Model, ModelSource, ModelsError};
use clawnode_nodes::{Access, ModelService, list_models};
use tokio::runtime::Handle;
use url::Url;

use crate::error::Failure;

/// The models of the service that is allowed. It is asked each time, as it may load others meanwhile.
pub(crate) struct AllowedModels {
    name: String,
    access: Access,
    runtime: Handle,
}

impl AllowedModels {
    /// The models of `service`, which is the one that `access` allows. Must be called inside tokio.
    pub(crate) fn new(service: &ModelService, access: Access) -> Result<Self, Failure> {
        let name = name(&service.url)?;
        Ok(Self { name, access, runtime: Handle::current() })
    }
}

impl ModelSource for AllowedModels {
    fn name(&self) -> &str {
        &self.name
    }

    fn models(&self) -> Result<Vec<Model>, ModelsError> {
        let listed = self.runtime.block_on(list_models(&self.access)).map_err(ModelsError::new)?;
        Ok(listed.into_iter().map(model).collect())
    }
}

/// The URL without what may be a secret: user, password, query and fragment.
fn name(url: &str) -> Result<String, Failure> {
    let mut url =
        Url::parse(url).map_err(|error| Failure::usage(format!("--models-url: {error}")))?;
    url.set_query(None);
    url.set_fragment(None);
    // A URL that begins with http:// or https:// may have both.
    let _ = url.set_password(None);
    let _ = url.set_username("");
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

fn model(listed: clawnode_nodes::Model) -> Model {
    let mut model = Model::new(listed.id);
    model.model_type = Some("language_model".to_owned());
    // Its files are the server's.
    model.downloaded = Some(false);
    model.provider = listed.owner;
    model
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_service_is_its_url_without_secrets() {
        for (url, expected) in [
            ("http://127.0.0.1:11434/v1", "http://127.0.0.1:11434/v1"),
            ("http://127.0.0.1:11434/v1//", "http://127.0.0.1:11434/v1"),
            ("https://ann:s3cret@Example.org:443/v1?key=s3cret#s3cret", "https://example.org/v1"),
            ("https://s3cret@[::1]:8443", "https://[::1]:8443"),
        ] {
            assert_eq!(name(url).unwrap(), expected);
        }
        let failure = name("http://s3cret@:port").unwrap_err();
        assert!(failure.message().starts_with("--models-url: "), "{}", failure.message());
        assert!(!failure.message().contains("s3cret"), "{}", failure.message());
    }
}
