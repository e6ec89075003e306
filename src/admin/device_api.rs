//! Devices: made, listed, renewed, ended.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::extract::{Body, Path};
use super::operation::{Operation, change, look};
use super::{Admin, AdminError, Caller, Role};
use crate::base::Timestamp;
use crate::device::{
    AddressRule, DeviceError, DeviceView, DeviceWish, Doing, Refused, Renewal, Way,
};
use crate::smtp::Domain;

/// A device that somebody wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct DeviceQuery {
    /// What it is to be called.
    pub(crate) name: String,
    /// How it is to hand its mail in.
    pub(crate) way: Way,
    /// Who it may write as: addresses, or `@domain`.
    pub(crate) senders: Vec<String>,
    /// Where it comes from: addresses, or networks.
    #[serde(default)]
    pub(crate) networks: Vec<String>,
    /// The strangers to whom it may send: addresses, or `@domain`.
    #[serde(default)]
    pub(crate) recipients: Vec<String>,
    /// Until when.
    #[serde(default)]
    pub(crate) expires: Option<Timestamp>,
    /// Recipients of a day.
    #[serde(default)]
    pub(crate) daily_recipients: Option<u32>,
    /// What for.
    #[serde(default)]
    pub(crate) reason: String,
    /// Only look what it would be.
    #[serde(default)]
    pub(crate) dry_run: bool,
}

/// More time for a device, or another number a day; what is left out stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct RenewQuery {
    /// Until when.
    #[serde(default)]
    pub(crate) expires: Option<Timestamp>,
    /// Recipients of a day.
    #[serde(default)]
    pub(crate) daily_recipients: Option<u32>,
}

/// What came of a wish for a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeviceMade {
    /// The device.
    pub device: DeviceView,
    /// It was only looked what it would be.
    pub dry_run: bool,
    /// With what it logs in under its name; it is not shown again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
}

/// The operations.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        look("/api/devices", Role::Viewer, "Devices", list),
        look("/api/devices/{name}", Role::Viewer, "A device", show),
        change("/api/devices/add", Role::Operator, "Add a device", add),
        change(
            "/api/devices/{name}/renew",
            Role::Operator,
            "Give a device more time, or another number a day",
            renew,
        ),
        change(
            "/api/devices/{name}/password",
            Role::Operator,
            "Make another password for a device that logs in; the one until now is dead",
            password,
        ),
        change(
            "/api/devices/{name}/end",
            Role::Operator,
            "End a device: what comes from its address is a stranger's",
            end,
        ),
    ]
}

type Us = State<Arc<Admin>>;
type Answer<T> = Result<Json<T>, AdminError>;

async fn list(State(admin): Us) -> Answer<Vec<DeviceView>> {
    Ok(Json(admin.devices.list()?))
}

async fn show(State(admin): Us, Path(name): Path<String>) -> Answer<DeviceView> {
    Ok(Json(admin.devices.show(&name)?))
}

async fn add(State(admin): Us, by: Caller, Body(query): Body<DeviceQuery>) -> Answer<DeviceMade> {
    let doing = if query.dry_run {
        Doing::Look
    } else {
        Doing::Really
    };
    let wish = DeviceWish {
        name: query.name,
        way: query.way,
        senders: rules(&query.senders)?,
        networks: query
            .networks
            .iter()
            .map(|it| it.trim().to_owned())
            .collect(),
        recipients: rules(&query.recipients)?,
        renewal: Renewal {
            expires: query.expires,
            daily_recipients: query.daily_recipients,
        },
        reason: query.reason.trim().to_owned(),
    };
    let directory = admin.directory.current();
    let is_ours = |key: &str| {
        let domain = key.parse::<Domain>();
        domain.is_ok_and(|domain| directory.domain(&domain).is_some())
    };
    let added = admin.devices.add((wish, &by.name), &is_ours, doing).await?;
    Ok(Json(DeviceMade {
        device: added.0,
        dry_run: doing == Doing::Look,
        password: added.1,
    }))
}

async fn password(State(admin): Us, Path(name): Path<String>) -> Answer<DeviceMade> {
    let (device, password) = admin.devices.change_password(&name).await?;
    Ok(Json(DeviceMade {
        device,
        dry_run: false,
        password: Some(password),
    }))
}

async fn renew(
    State(admin): Us,
    Path(name): Path<String>,
    Body(query): Body<RenewQuery>,
) -> Answer<DeviceView> {
    let renewal = Renewal {
        expires: query.expires,
        daily_recipients: query.daily_recipients,
    };
    if renewal == Renewal::default() {
        return Err(AdminError::Asked {
            what: "nothing is said that would be renewed".to_owned(),
            hint: "give a day with --expires, or recipients a day with --daily",
        });
    }
    Ok(Json(admin.devices.renew(&name, renewal).await?))
}

async fn end(State(admin): Us, Path(name): Path<String>) -> Answer<DeviceView> {
    Ok(Json(admin.devices.end(&name).await?))
}

fn rules(texts: &[String]) -> Result<Vec<AddressRule>, AdminError> {
    let parsed = texts.iter().map(|text| text.parse::<AddressRule>());
    let parsed: Result<Vec<_>, _> = parsed.collect();
    parsed.map_err(|error| AdminError::Asked {
        what: error.to_string(),
        hint: "give addresses, or @domain for all addresses of one",
    })
}

impl From<DeviceError> for AdminError {
    fn from(error: DeviceError) -> Self {
        match error {
            DeviceError::Refused(Refused { what, hint }) => Self::Asked { what, hint },
            DeviceError::Unknown(_) => Self::NotFound {
                what: error.to_string(),
                hint: "`tideover device list` shows them",
            },
            DeviceError::Spool(error) => Self::Spool(error),
        }
    }
}
