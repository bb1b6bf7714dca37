//! The one way in which locks are taken here.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks `mutex`, also where an earlier holder panicked: the data behind the crate's locks stays sound then.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
