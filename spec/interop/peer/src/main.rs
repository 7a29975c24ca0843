//! `razor-peer`: a server and a client made of the published Rust crates, driven by lines on stdin and stdout,
//! so that specs can put the other implementation at the far end of a real socket.

mod api;
mod blob;
mod client;
mod cluster;
mod fs;
mod route;
mod server;

use std::collections::HashMap;
use std::str::FromStr;

const USAGE: &str = "usage:
  razor-peer server ADDR [FS_ADDR] [--idle-timeout SECS] [--name NAME] [--leader ADDR]
  razor-peer client ADDR[,ADDR...] [FS_ADDR] [--stream | --failover any|leader] [--task-timeout SECS] [--thresholds N]
ADDR is host:port (port 0: any free one) or the absolute path of a Unix socket. FS_ADDR of a client defaults to ADDR.";

/// Words of the command line: `--name value`, or `--name` alone for the switch `--stream`; all else is positional.
pub struct Args {
    words: Vec<String>,
    options: HashMap<String, String>,
}

impl Args {
    fn parse(line: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut args = Args { words: Vec::new(), options: HashMap::new() };
        let mut line = line.peekable();
        while let Some(word) = line.next() {
            match word.strip_prefix("--") {
                Some("stream") => {
                    args.options.insert("stream".into(), String::new());
                }
                Some(name @ ("failover" | "task-timeout" | "thresholds" | "idle-timeout" | "name" | "leader")) => {
                    let value = line.next().ok_or_else(|| format!("--{name} needs a value"))?;
                    args.options.insert(name.into(), value);
                }
                Some(name) => return Err(format!("unknown option --{name}")),
                None => args.words.push(word),
            }
        }
        Ok(args)
    }

    pub fn word(&self, at: usize) -> Option<&str> {
        self.words.get(at).map(String::as_str)
    }

    pub fn option(&self, name: &str) -> Option<&str> {
        self.options.get(name).map(String::as_str)
    }

    pub fn number<T: FromStr>(&self, name: &str) -> Result<Option<T>, String> {
        self.option(name).map(|text| text.parse().map_err(|_| format!("--{name} {text} is not a number"))).transpose()
    }
}

#[tokio::main]
async fn main() {
    let outcome = match Args::parse(std::env::args().skip(1)) {
        Ok(args) => match args.word(0) {
            Some("server") => server::run(&args).await,
            Some("client") => client::run(&args).await,
            _ => Err(USAGE.to_string()),
        },
        Err(why) => Err(format!("{why}\n{USAGE}")),
    };
    if let Err(why) = &outcome {
        eprintln!("{why}");
    }
    // Not a return: the runtime would wait for its thread that blocks on stdin.
    std::process::exit(outcome.is_err() as i32);
}
