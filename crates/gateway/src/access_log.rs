//! One line for each request that was answered.

use std::fmt::{self, Write as _};
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{Method, Request};
use serde_json::json;

use crate::meters::Went;

/// Lines that wait for a slow output; further ones are left out, and counted.
const WAITING: usize = 4096;
/// The longest text of a client's own in a line, in bytes.
const LONGEST_TEXT: usize = 256;

/// Where the lines go, and in which form. See [`GatewayConfig::with_access_log`](crate::GatewayConfig::with_access_log).
#[derive(Clone)]
pub struct AccessLog {
    format: LogFormat,
    output: Arc<Mutex<Box<dyn Write + Send>>>,
}

/// The form of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// `[time] "POST path" status key=value …`
    Text,
    /// An object.
    Json,
}

impl AccessLog {
    /// A log to any output. It is written by a thread of its own, so that a slow output holds up no request.
    ///
    /// ```
    /// use phalanx_gateway::{AccessLog, LogFormat};
    ///
    /// let log = AccessLog::new(LogFormat::Json, std::io::stderr());
    /// ```
    #[must_use]
    pub fn new(format: LogFormat, output: impl Write + Send + 'static) -> Self {
        Self { format, output: Arc::new(Mutex::new(Box::new(output))) }
    }

    /// Starts the thread; it ends when the last log that was opened is dropped.
    pub(crate) fn open(self) -> io::Result<OpenLog> {
        let (lines, waiting) = sync_channel(WAITING);
        let output = self.output;
        std::thread::Builder::new().name("access-log".to_owned()).spawn(move || write_all(&waiting, &output))?;
        Ok(OpenLog { format: self.format, lines })
    }
}

impl fmt::Debug for AccessLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessLog").field("format", &self.format).finish_non_exhaustive()
    }
}

/// A log that takes lines.
#[derive(Debug)]
pub(crate) struct OpenLog {
    format: LogFormat,
    lines: SyncSender<String>,
}

/// What a line says of a request that its counts do not.
#[derive(Debug)]
pub(crate) struct Entry {
    method: Method,
    path: String,
    request_id: String,
    model: String,
    server: String,
}

impl Entry {
    pub(crate) fn new<B>(request: &Request<B>) -> Self {
        let id = request.headers().get("x-request-id").map(|id| String::from_utf8_lossy(id.as_bytes()));
        Self {
            method: request.method().clone(),
            path: short(request.uri().path()),
            request_id: id.map(|id| short(&id)).unwrap_or_default(),
            model: String::new(),
            server: String::new(),
        }
    }

    pub(crate) fn asks(&mut self, model: &str, server: &str) {
        (self.model, self.server) = (short(model), server.to_owned());
    }
}

impl OpenLog {
    /// `false` when the line is left out, since the output is too slow.
    pub(crate) fn write(&self, entry: &Entry, went: &Went, endpoint: Option<&str>, tries: u32) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.lines.try_send(self.line(entry, went, endpoint.unwrap_or_default(), tries, now)).is_ok()
    }

    fn line(&self, entry: &Entry, went: &Went, endpoint: &str, tries: u32, now: Duration) -> String {
        let Entry { method, path, request_id, model, server } = entry;
        let millis = |nanos: u64| Duration::from_nanos(nanos).as_micros() as f64 / 1e3;
        let (total, first) = (millis(went.total), went.first_token.map(millis));
        let (status, error) = (went.status, went.cause.map_or("", |cause| cause.name()));
        if self.format == LogFormat::Json {
            let line = json!({
                "timestamp": timestamp(now), "method": method.as_str(), "path": path, "status_code": status,
                "error": error, "model_name": model, "model_server": server, "selected_pod": endpoint,
                "request_id": request_id, "upstream_attempts": tries, "input_tokens": went.prompt_tokens,
                "duration_total": total, "duration_first_token": first,
            });
            return format!("{line}\n");
        }
        let mut line = format!("[{}] \"{method} {}\" {status}", timestamp(now), path.escape_debug());
        let attempts = tries.to_string();
        let fields = [
            ("error", error),
            ("model_name", model),
            ("model_server", server),
            ("selected_pod", endpoint),
            ("request_id", request_id),
            ("upstream_attempts", &attempts),
        ];
        for (name, value) in fields.into_iter().filter(|(_, value)| !value.is_empty()) {
            // A string takes any text.
            let _ = write!(line, " {name}={}", value.escape_debug());
        }
        let _ = write!(line, " tokens={} timings={total}ms", went.prompt_tokens);
        if let Some(first) = first {
            let _ = write!(line, " first_token={first}ms");
        }
        line.push('\n');
        line
    }
}

/// Writes lines until there are no more; several at once where several wait.
fn write_all(lines: &Receiver<String>, output: &Mutex<Box<dyn Write + Send>>) {
    while let Ok(mut text) = lines.recv() {
        while text.len() < 1 << 16
            && let Ok(line) = lines.try_recv()
        {
            text.push_str(&line);
        }
        let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
        // Who reads no log misses none.
        let _ = output.write_all(text.as_bytes()).and_then(|()| output.flush());
    }
}

/// The first bytes of a text, up to a character's end.
fn short(text: &str) -> String {
    let fits = |(start, character): &(usize, char)| start + character.len_utf8() <= LONGEST_TEXT;
    text.char_indices().take_while(fits).map(|(_, character)| character).collect()
}

/// A time since 1970 as RFC 3339 has it, in milliseconds and UTC.
fn timestamp(since: Duration) -> String {
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    // Days by eras of 400 years that begin in March, so that the leap day is a year's last.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second, millis) = (second / 3600, second / 60 % 60, second % 60, since.subsec_millis());
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cause::Cause;
    use crate::meters::Path;

    #[test]
    fn times_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (1_772_323_199, "2026-02-28T23:59:59.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(timestamp(Duration::from_secs(seconds)), text);
        }
    }

    fn line(format: LogFormat, model: &str) -> String {
        let (lines, _waiting) = sync_channel(1);
        let log = OpenLog { format, lines };
        let request = Request::post("/v1/completions?x=1").header("x-request-id", "r-1").body(()).expect("valid");
        let mut entry = Entry::new(&request);
        entry.asks(model, "server");
        let went = Went {
            line: 1,
            path: Path::Completions,
            status: 200,
            cause: Some(Cause::Cut),
            retries: 1,
            prompt_tokens: 7,
            total: 2_500_000,
            first_token: Some(1_250_000),
            next_token: None,
        };
        log.line(&entry, &went, "e0", 2, Duration::ZERO)
    }

    #[test]
    fn a_line_is_one_line_whatever_the_client_writes() {
        let text = line(LogFormat::Text, "a\nb");
        let expected = "[1970-01-01T00:00:00.000Z] \"POST /v1/completions\" 200 error=upstream_response \
                        model_name=a\\nb model_server=server selected_pod=e0 request_id=r-1 upstream_attempts=2 \
                        tokens=7 timings=2.5ms first_token=1.25ms\n";
        assert_eq!(text, expected);
        let json: serde_json::Value = serde_json::from_str(&line(LogFormat::Json, "a\nb")).expect("an object");
        assert_eq!((&json["model_name"], &json["status_code"]), (&"a\nb".into(), &200.into()));
        assert_eq!(json["duration_first_token"], 1.25);
        assert!(line(LogFormat::Text, &"ä".repeat(1000)).len() < 600);
    }
}
