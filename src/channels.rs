//! The locations that Nchan is reached through, below an MCP location.
//!
//! No client's request ever gets there: the module asks them itself, by requests without a client ([`crate::bus`]).

use crate::conf::{Error, LocationConf};
use crate::ngx::{Conf, LocationContext, Place};

/// The locations of an MCP location's channels.
#[derive(Clone, Copy)]
pub(crate) struct Channels {
    /// What `mcp_channels` says; it holds for the following.
    settings: LocationContext,
    /// The channel that every worker hears. It keeps nothing.
    pub(crate) broadcast: LocationContext,
}

/// What is wrong where Nchan is not there.
pub(crate) const NEEDED: &str = "needs Nchan: add \"load_module modules/ngx_nchan_module.so;\"";

/// Whether Nchan is there.
pub(crate) fn are_available(cf: Conf) -> bool {
    cf.has_directive("nchan_pubsub")
}

/// The locations of the location that is being read, made when they are first asked for.
pub(crate) fn of(cf: Conf, conf: &mut LocationConf) -> Result<Channels, Error> {
    if let Some(channels) = conf.channels {
        return Ok(channels);
    }
    // Three levels: what holds unless told otherwise, what the operator says, and what must be so.
    let defaults = cf.hidden_location()?;
    cf.apply_in(defaults, &["nchan_channel_group", "mcp"])?;
    let settings = cf.location_below(defaults)?;
    settings.own_conf().block = Some("mcp_channels");
    let broadcast = cf.location_below(settings)?;
    for directive in [
        &["nchan_pubsub", "http", "eventsource"][..],
        &["nchan_channel_id", "$mcp_channel"],
        &["nchan_eventsource_ping_interval", "0"],
        &["nchan_subscriber_timeout", "0"],
        &["nchan_subscriber_first_message", "newest"],
        &["nchan_message_buffer_length", "0"],
        // A message is larger than what was posted, by what goes around it.
        &["client_max_body_size", "0"],
    ] {
        cf.apply_in(broadcast, directive)?;
    }
    let channels = Channels { settings, broadcast };
    conf.channels = Some(channels);
    Ok(channels)
}

/// `mcp_channels { … }`: settings of Nchan for the channels of this location.
pub(crate) fn mcp_channels(cf: Conf, conf: &mut LocationConf) -> Result<(), Error> {
    if !are_available(cf) {
        return Err(Error::new(NEEDED));
    }
    let place: Place = cf.place();
    if conf.channels_block.replace(place).is_some() {
        return Err(Error::new("is duplicate"));
    }
    let channels = of(cf, conf)?;
    cf.block_into(channels.settings)
}
