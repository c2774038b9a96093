use std::io;

use clawnode_gateway::{Config, Gateway};

use crate::client::read_token;
use crate::error::{FAILED, Failure, USAGE};
use crate::options;
use crate::signals;

/// Serves until a signal.
pub(crate) async fn serve(options: options::Gateway) -> Result<(), Failure> {
    let mut config = Config::new(options.listen);
    config.auth_token = read_token(&options.token)?;
    config.timing.liveness = options.liveness;
    let signal = signals::first()?;
    let gateway = Gateway::bind(config).await.map_err(|error| {
        let code = if error.kind() == io::ErrorKind::InvalidInput { USAGE } else { FAILED };
        Failure::new(code, format!("cannot listen on {}: {error}", options.listen))
    })?;
    let address = gateway.local_addr();
    tracing::info!(%address, "nodes connect to ws://{address}, the HTTP API is at http://{address}/api");
    Ok(gateway.run(signal).await?)
}
