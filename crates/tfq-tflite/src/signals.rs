//! Signals whose answer does more than a handler may: a thread, one for all of them, gives it.

use std::io::{self, PipeWriter, Read};
use std::os::fd::AsRawFd;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// What to do at a signal. It is told which one, and the address that the handler was at.
pub(crate) type Answer = Box<dyn FnMut(i32, usize) + Send>;

/// Each with the signals that it answers.
static ANSWERS: Mutex<Vec<(Vec<i32>, Answer)>> = Mutex::new(Vec::new());

/// Where handlers put what came.
static CAME: OnceLock<PipeWriter> = OnceLock::new();

/// Signal and address.
const CAME_SIZE: usize = size_of::<i32>() + size_of::<usize>();

/// Answers these signals, once their handlers call [`hand_over`]. At most one answer is given at a
/// time.
pub(crate) fn answer(signals: Vec<i32>, answer: Answer) -> io::Result<()> {
    let mut answers = answers();
    if CAME.get().is_none() {
        let (came, to) = io::pipe()?;
        let thread = std::thread::Builder::new().name("signals".to_owned());
        without_signals(|| thread.spawn(move || give(came)))?;
        CAME.set(to).expect("whoever sets it has the answers");
    }
    answers.push((signals, answer));
    Ok(())
}

/// Does what begins a thread that gets no signals: a handler may wait for the end, in a thread that
/// somebody sent it to, and answers would wait with it.
#[allow(unsafe_code)]
fn without_signals<T>(begin: impl FnOnce() -> T) -> T {
    // SAFETY: both are sets that may be written to, and integers, for which zero is a value.
    let (mut all, mut before): (libc::sigset_t, libc::sigset_t) = unsafe { std::mem::zeroed() };
    // SAFETY: the sets are alive. The mask is this thread's, and comes back.
    unsafe {
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before);
    }
    let begun = begin();
    // SAFETY: as above.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &before, std::ptr::null_mut()) };
    begun
}

fn give(mut came: impl Read) {
    let mut record = [0; CAME_SIZE];
    while came.read_exact(&mut record).is_ok() {
        let (signal, address) = record.split_first_chunk().expect("it begins with the signal");
        let signal = i32::from_ne_bytes(*signal);
        let address = usize::from_ne_bytes(address.try_into().expect("the rest is the address"));
        let mut answers = answers();
        let of_signal = answers.iter_mut().find(|(signals, _)| signals.contains(&signal));
        if let Some((_, answer)) = of_signal {
            answer(signal, address);
        }
    }
}

fn answers() -> MutexGuard<'static, Vec<(Vec<i32>, Answer)>> {
    ANSWERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// For handlers: calls nothing but functions that are safe there.
#[allow(unsafe_code)]
pub(crate) fn hand_over(signal: i32, address: usize) {
    let mut record = [0; CAME_SIZE];
    let (first, rest) = record.split_at_mut(size_of::<i32>());
    first.copy_from_slice(&signal.to_ne_bytes());
    rest.copy_from_slice(&address.to_ne_bytes());
    // To get what is set takes one load.
    let to = CAME.get().map_or(-1, AsRawFd::as_raw_fd);
    // SAFETY: the buffer is as long as is said, and the descriptor is open for ever. A write this
    // short is whole or not done at all.
    unsafe { libc::write(to, record.as_ptr().cast(), record.len()) };
}
