//! The models that workflows may ask, for `list_models`.

use clawnode_commands::{Model, ModelSource, ModelsError};
use clawnode_nodes::{Access, list_models};
use tokio::runtime::Handle;

/// The models of the service that is allowed. It is asked each time, as it may load others meanwhile.
pub(crate) struct AllowedModels {
    access: Access,
    runtime: Handle,
}

impl AllowedModels {
    /// Must be called inside tokio.
    pub(crate) fn new(access: Access) -> Self {
        Self { access, runtime: Handle::current() }
    }
}

impl ModelSource for AllowedModels {
    fn models(&self) -> Result<Vec<Model>, ModelsError> {
        let listed = self.runtime.block_on(list_models(&self.access)).map_err(ModelsError::new)?;
        Ok(listed.into_iter().map(model).collect())
    }
}

fn model(listed: clawnode_nodes::Model) -> Model {
    let mut model = Model::new(listed.id);
    model.model_type = Some("language_model".to_owned());
    // Its files are the server's.
    model.downloaded = Some(false);
    model.provider = listed.owner;
    model
}
