use super::device::DeviceKind;
use super::watch::{Listed, Watch, Watching};
use super::{CAT, WyzeDevice};
use crate::account::Store;
use crate::session::lock;
use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use std::sync::{LazyLock, Mutex};

/// The listed cameras, each with its devices.
type Devices = Vec<(Listed, [WyzeDevice; 2])>;

#[derive(Default)]
pub struct WyzeDeviceProvider {
    /// Set while the provider is started.
    watching: Mutex<Option<Watching>>,
}

#[glib::object_subclass]
impl ObjectSubclass for WyzeDeviceProvider {
    const NAME: &'static str = "GstWyzeDeviceProvider";
    type Type = super::WyzeDeviceProvider;
    type ParentType = gst::DeviceProvider;
}

impl ObjectImpl for WyzeDeviceProvider {}
impl GstObjectImpl for WyzeDeviceProvider {}

impl DeviceProviderImpl for WyzeDeviceProvider {
    fn metadata() -> Option<&'static gst::subclass::DeviceProviderMetadata> {
        static METADATA: LazyLock<gst::subclass::DeviceProviderMetadata> = LazyLock::new(|| {
            gst::subclass::DeviceProviderMetadata::new(
                "Wyze camera devices",
                "Source/Sink/Network/Video/Audio",
                "Lists the Wyze cameras of the camera store, and which of them are online",
                env!("CARGO_PKG_AUTHORS"),
            )
        });
        Some(&*METADATA)
    }

    fn probe(&self) -> Vec<gst::Device> {
        match Watch::new(Store::open_default()) {
            Ok(mut watch) => watch.look().iter().flat_map(devices).map(Cast::upcast).collect(),
            Err(e) => {
                gst::error!(CAT, imp = self, "Cameras cannot be looked for: {e}");
                Vec::new()
            }
        }
    }

    /// Looks once, so that the first list is right, and goes on in a thread.
    fn start(&self) -> Result<(), gst::LoggableError> {
        let failed = |e| gst::loggable_error!(CAT, "Cameras cannot be looked for: {e}");
        let mut watch = Watch::new(Store::open_default()).map_err(failed)?;
        let mut devices = Devices::new();
        update(&self.obj(), &mut devices, watch.look());
        let weak = self.obj().downgrade();
        let tell = move |listed| {
            if let Some(provider) = weak.upgrade() {
                update(&provider, &mut devices, listed);
            }
        };
        *lock(&self.watching) = Some(watch.spawn(tell).map_err(failed)?);
        Ok(())
    }

    fn stop(&self) {
        let watching = lock(&self.watching).take();
        drop(watching);
    }
}

fn devices(camera: &Listed) -> [WyzeDevice; 2] {
    DeviceKind::ALL.map(|role| WyzeDevice::new(camera, role))
}

/// Removes the devices of cameras that are not listed any more, and adds those of new ones.
fn update(provider: &super::WyzeDeviceProvider, devices: &mut Devices, listed: Vec<Listed>) {
    devices.retain(|(camera, devices)| {
        let stays = listed.contains(camera);
        if !stays {
            gst::info!(CAT, obj = provider, "Removing {:?}", camera.name);
            devices.iter().for_each(|device| provider.device_remove(device));
        }
        stays
    });
    for camera in listed {
        if !devices.iter().any(|(known, _)| *known == camera) {
            let (name, online) = (&camera.name, camera.online);
            gst::info!(CAT, obj = provider, "Adding {name:?}, online: {online}");
            let new = self::devices(&camera);
            new.iter().for_each(|device| provider.device_add(device));
            devices.push((camera, new));
        }
    }
}
