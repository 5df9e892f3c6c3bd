//! Single requests: one to see whether a gateway is ready, and one with a huge body.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use clap::Args as ClapArgs;
use serde::Serialize;

use crate::answer;
use crate::message::{Framing, Reader, Sink, broken, framing};
use crate::prompt::{Bodies, Mark, NO_GROUP};
use crate::say;
use crate::watch::{Memory, Tree};

#[derive(Debug, ClapArgs)]
pub(crate) struct ReadyArgs {
    #[arg(long)]
    target: SocketAddr,
    /// Seconds to wait at most
    #[arg(long, default_value_t = 30)]
    timeout: u64,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct BigArgs {
    #[arg(long)]
    target: SocketAddr,
    /// The gateway's process
    #[arg(long)]
    watch: u32,
    /// Bytes of the body
    #[arg(long, default_value_t = 64_000_000)]
    bytes: usize,
}

#[derive(Debug, Serialize)]
struct Report {
    before: Memory,
    after: Memory,
    milliseconds: f64,
}

/// Waits until a request comes through, then a second more: some know their engines one by one.
pub(crate) fn ready(args: &ReadyArgs) -> io::Result<()> {
    let bodies = Bodies::of_no_group(4_500);
    let started = Instant::now();
    let mut id = 0;
    loop {
        id += 1;
        match ask(args.target, &bodies, id) {
            Ok(()) => break,
            Err(error) if started.elapsed() > Duration::from_secs(args.timeout) => return Err(error),
            Err(_) => thread::sleep(Duration::from_millis(100)),
        }
    }
    thread::sleep(Duration::from_secs(1));
    Ok(())
}

pub(crate) fn run(args: &BigArgs) -> io::Result<()> {
    let tree = Tree::of(args.watch);
    let bodies = Bodies::of_no_group(args.bytes);
    let before = tree.memory();
    let started = Instant::now();
    ask(args.target, &bodies, 1)?;
    say(&Report { before, milliseconds: started.elapsed().as_secs_f64() * 1e3, after: tree.memory() })
}

fn ask(target: SocketAddr, bodies: &Bodies, id: u64) -> io::Result<()> {
    let mut own = Vec::new();
    bodies.write_own(Mark { group: NO_GROUP, id, chunks: 0, delay: 0 }, &mut own);
    let mut socket = TcpStream::connect(target)?;
    socket.set_read_timeout(Some(Duration::from_secs(30)))?;
    socket.write_all(bodies.shared(NO_GROUP))?;
    socket.write_all(&own)?;
    answer::check_json(id, &read_answer(&mut socket)?, &mut own)
}

/// One answer of a connection: the body, which must be of status 200.
pub(crate) fn read_answer(socket: &mut TcpStream) -> io::Result<Vec<u8>> {
    let (mut reader, mut whole) = (Reader::default(), Whole::default());
    let mut scratch = vec![0; 64 << 10];
    while !whole.over {
        match socket.read(&mut scratch)? {
            0 => {
                reader.close(&mut whole)?;
                break;
            }
            read => reader.feed(&scratch[..read], &mut whole)?,
        }
    }
    if whole.over { Ok(whole.body) } else { Err(broken("the connection was closed before the answer")) }
}

#[derive(Default)]
struct Whole {
    body: Vec<u8>,
    over: bool,
}

impl Sink for Whole {
    fn head(&mut self, head: &[u8]) -> io::Result<Framing> {
        if head.get(9..12) != Some(b"200") {
            return Err(broken(format!("not 200: {}", String::from_utf8_lossy(head))));
        }
        framing(head, Framing::Rest)
    }

    fn body(&mut self, piece: &[u8]) -> io::Result<()> {
        self.body.extend_from_slice(piece);
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        self.over = true;
        Ok(())
    }
}
