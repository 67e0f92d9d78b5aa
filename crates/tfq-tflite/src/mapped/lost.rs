//! How a program ends that reads mapped bytes which the system does not have any more.

use super::Changed;
use std::io;

/// From now on the process ends in order where it reads bytes of a file that [`crate::read`]
/// mapped and others cut off since; by itself the system ends it with a bare `SIGBUS`. Its
/// temporary files are removed, then `tell` is called, whose result is the exit status. For
/// programs; a library leaves signals to the program that it is part of.
///
/// `tell` runs in a thread of its own while others stand still, perhaps in the middle of printing:
/// it must not wait for locks of theirs, and standard error and output have some.
#[cfg(unix)]
pub fn end_on_lost_bytes(tell: impl FnOnce(&Changed) -> i32 + Send + 'static) -> io::Result<()> {
    unix::end_on_lost_bytes(tell)
}

/// Systems without this signal have nothing to hand over.
#[cfg(not(unix))]
pub fn end_on_lost_bytes(_: impl FnOnce(&Changed) -> i32 + Send + 'static) -> io::Result<()> {
    Ok(())
}

/// signal-hook calls the handler that was there before its own. That is the standard library's
/// here, which looks for stack overflows and otherwise brings back the default: a second
/// thread that reads lost bytes, as workers of a pool do, would end the process at once. So the
/// handler is installed by hand, and does as little as it can: it hands the address to a
/// thread that may do what a handler may not, and waits for the end.
#[cfg(unix)]
#[allow(unsafe_code)]
mod unix {
    use super::super::{How, live};
    use super::Changed;
    use crate::file::remove_temporaries;
    use crate::signals;
    use signal_hook::consts::SIGBUS;
    use signal_hook::low_level::emulate_default_handler;
    use std::io;
    use std::ptr::null_mut;
    use std::sync::atomic::{AtomicBool, Ordering};

    pub(super) fn end_on_lost_bytes(
        tell: impl FnOnce(&Changed) -> i32 + Send + 'static,
    ) -> io::Result<()> {
        static CALLED: AtomicBool = AtomicBool::new(false);
        if CALLED.swap(true, Ordering::Relaxed) {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "it was called before"));
        }
        let mut tell = Some(tell);
        let answer = move |_, address| {
            if let Some(tell) = tell.take() {
                end(address, tell);
            }
        };
        signals::answer(vec![SIGBUS], Box::new(answer))?;
        install()
    }

    /// With a word where the address is in a mapped file. Else it is no affair of ours, and the
    /// signal does what it always did.
    fn end(address: usize, tell: impl FnOnce(&Changed) -> i32) {
        // Held to the end, so that nothing is made or named any more.
        let _temporaries = remove_temporaries();
        if let Some(mapped) = live().into_iter().find(|mapped| mapped.holds(address)) {
            let lost = || Changed { path: mapped.path.clone(), how: How::Lost };
            std::process::exit(tell(&mapped.change().unwrap_or_else(lost)));
        }
        _ = emulate_default_handler(SIGBUS);
        // Who reads the bytes waits for ever.
        std::process::abort();
    }

    fn install() -> io::Result<()> {
        // SAFETY: all fields are integers, for which zero is a value, or pointers.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = on_bus_error as *const () as usize;
        // The standard library has given its threads a stack for handlers.
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        // SAFETY: it is a set that may be written to.
        unsafe { libc::sigfillset(&mut action.sa_mask) };
        // SAFETY: the action is whole, and `on_bus_error` is sound as a handler of such signals.
        match unsafe { libc::sigaction(libc::SIGBUS, &action, null_mut()) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Calls nothing but functions that are safe in a handler: it runs in the middle of whatever
    /// read the bytes. After such a read it never returns, since they would only be read once more.
    extern "C" fn on_bus_error(_: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
        // SAFETY: with `SA_SIGINFO` the kernel passes one.
        let (address, code) = unsafe { ((*info).si_addr() as usize, (*info).si_code) };
        if code <= 0 {
            // Somebody sent it. There is nothing to read once more, and the answer may wait for a
            // lock that this thread holds.
            return signals::hand_over(SIGBUS, 0);
        }
        signals::hand_over(SIGBUS, address);
        loop {
            // SAFETY: it has no conditions. All signals are blocked, so it does not end.
            unsafe { libc::pause() };
        }
    }
}
