//! A placement as a picture: nested boxes for domains, a row of squares for each node, pods in their gang's colour.
//!
//! The file stands alone: no script, no font, nothing from elsewhere. The same placement gives the same bytes.

use std::fmt::Write as _;

use phalanx_topology::{DeviceSet, NodeId};

use super::boxes::{Block, CELL, Content, DEVICE, ISLAND, PAD, PITCH, ROW, TITLE, arrange, short};
use super::picture::{Picture, Shares, State};

const FREE: &str = "#e3f0e3";
const HELD: &str = "#aeb4bb";
const INK: &str = "#22272e";
const FAINT: &str = "#6b7480";

/// Colours of gangs, and that of writing on them.
const COLOURS: [(&str, &str); 10] = [
    ("#3b6fb6", "#ffffff"),
    ("#b8560b", "#ffffff"),
    ("#8a4fa3", "#ffffff"),
    ("#c23b4b", "#ffffff"),
    ("#1f8f8a", "#ffffff"),
    ("#d9b310", "#22272e"),
    ("#7a5a3c", "#ffffff"),
    ("#d16ba5", "#ffffff"),
    ("#5b7f2b", "#ffffff"),
    ("#4b4fa8", "#ffffff"),
];

/// The most gangs that the legend names.
const MOST_NAMED: usize = 24;

/// The least width of the page, for title and legend.
const LEAST_WIDTH: i64 = 640;

/// The picture as an SVG document.
pub(super) fn draw(picture: &Picture<'_>) -> String {
    let whole = arrange(picture);
    let width = whole.width.max(LEAST_WIDTH) + 2 * PAD;
    let mut legend = Page::default();
    let top = legend.legend(picture, width);
    let mut page = Page::default();
    page.block(picture, &whole, PAD, top, 0);
    let height = top + whole.height + PAD;
    let title = escape(&title(picture));
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"system-ui, 'Helvetica Neue', Arial, sans-serif\" font-size=\"11\" fill=\"{INK}\">\n<title>{title}</title>\n\
         <defs><pattern id=\"closed\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">\
         <rect width=\"5\" height=\"5\" fill=\"#f6f3ec\"/><rect width=\"1.6\" height=\"5\" fill=\"#cfc7b4\"/></pattern></defs>\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n\
         <text x=\"{x}\" y=\"24\" font-size=\"16\" font-weight=\"600\">{title}</text>\n{}{}</svg>\n",
        legend.text,
        page.text,
        x = 2 * PAD,
    )
}

fn title(picture: &Picture<'_>) -> String {
    let placed = picture.gangs.iter().filter(|gang| gang.placed).count();
    let shares = picture.shares(picture.inventory.topology().nodes());
    format!(
        "{placed} of {} gangs placed on {} nodes; {} of {} devices free",
        picture.gangs.len(),
        thousands(picture.inventory.topology().len() as u64),
        devices(shares.free),
        devices(shares.total)
    )
}

/// What was drawn so far.
#[derive(Debug, Default)]
struct Page {
    text: String,
}

impl Page {
    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "{line}");
    }

    /// What the colours mean; returns where the picture can begin.
    fn legend(&mut self, picture: &Picture<'_>, width: i64) -> i64 {
        let (mut x, mut y) = (2 * PAD, 38);
        let mut entry = |page: &mut Self, fill: &str, stroke: &str, more: &str, text: &str, digit: Option<&str>| {
            let wide = 24 + (62 * text.chars().count() as i64) / 10 + 14;
            if x > 2 * PAD && x + wide > width {
                (x, y) = (2 * PAD, y + 20);
            }
            page.line(format_args!(
                "<rect x=\"{x}\" y=\"{y}\" width=\"13\" height=\"13\" rx=\"2\" fill=\"{fill}\" stroke=\"{stroke}\"{more}/>\
                 <text x=\"{}\" y=\"{}\">{}</text>",
                x + 19,
                y + 11,
                escape(text)
            ));
            if let Some(ink) = digit {
                page.line(format_args!(
                    "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\" font-size=\"9\" fill=\"{ink}\">3</text>",
                    x + 6,
                    y + 10
                ));
            }
            x += wide;
        };
        entry(self, FREE, "#b5ceb5", "", "free", None);
        entry(self, HELD, HELD, "", "held", None);
        let topology = picture.inventory.topology();
        if topology.nodes().any(|node| picture.inventory.is_cordoned(node)) {
            entry(self, "url(#closed)", "#cfc7b4", "", "free on a cordoned node", None);
        }
        if topology.nodes().any(|node| picture.inventory.is_removed(node)) {
            entry(self, "#ffffff", FAINT, " stroke-dasharray=\"2 2\"", "of a node that is gone", None);
        }
        let states = |state| picture.gangs.iter().flat_map(|gang| &gang.pods).any(|pod| pod.state == state);
        if states(State::Running) {
            entry(
                self,
                COLOURS[0].0,
                COLOURS[0].0,
                " fill-opacity=\"0.45\"",
                "runs already: its gang's colour, paler",
                None,
            );
        }
        if states(State::Extra) {
            entry(self, "#8a93a0", INK, " stroke-dasharray=\"3 2\"", "above the minimum", None);
        }
        if picture.gangs.iter().flat_map(|gang| &gang.pods).any(|pod| pod.milli == 0 && !pod.devices.is_empty()) {
            let (fill, ink) = COLOURS[0];
            entry(self, fill, fill, "", "a pod's rank: its number in its gang, from 0", Some(ink));
        }
        if picture.gangs.iter().flat_map(|gang| &gang.pods).any(|pod| pod.devices.is_empty()) {
            entry(self, "#8a93a0", "#ffffff", " stroke-width=\"6\"", "pod without known devices", None);
        }
        for (at, gang) in picture.gangs.iter().take(MOST_NAMED).enumerate() {
            let pods = match (gang.placed, gang.pods.len()) {
                (false, 0) => "no place".to_owned(),
                (false, running) => format!("no place for the rest of {running} pods"),
                (true, 1) => "1 pod".to_owned(),
                (true, pods) => format!("{} pods", thousands(pods as u64)),
            };
            let (fill, _) = colour(at);
            let fill = if gang.placed { fill } else { "#ffffff" };
            entry(self, fill, colour(at).0, "", &format!("{}: {pods}", gang.name), None);
        }
        if let Some(more) = picture.gangs.len().checked_sub(MOST_NAMED + 1) {
            entry(self, "#ffffff", FAINT, "", &format!("and {} more gangs", more + 1), None);
        }
        y + 13 + 2 * PAD
    }

    fn block(&mut self, picture: &Picture<'_>, block: &Block, x: i64, y: i64, depth: usize) {
        if matches!(block.content, Content::Bar) {
            return self.cell(picture, block, x, y);
        }
        if let Some(title) = &block.title {
            let fill = if depth.is_multiple_of(2) { "#ffffff" } else { "#f5f7f9" };
            let shares = picture.shares(block.nodes.iter().copied());
            let (right, base) = (x + block.width - PAD, y + 14);
            self.line(format_args!(
                "<rect x=\"{x}\" y=\"{y}\" width=\"{}\" height=\"{}\" rx=\"4\" fill=\"{fill}\" stroke=\"#c6ccd4\"/>\
                 <text x=\"{}\" y=\"{base}\" font-weight=\"600\">{}</text>\
                 <text x=\"{right}\" y=\"{base}\" text-anchor=\"end\" fill=\"{FAINT}\" font-size=\"10\">{} free</text>",
                block.width,
                block.height,
                x + PAD,
                escape(&short(title)),
                devices(shares.free)
            ));
        }
        match &block.content {
            Content::Blocks(blocks) => {
                blocks.iter().for_each(|inner| self.block(picture, inner, x + inner.x, y + inner.y, depth + 1));
            }
            Content::Nodes { rows, label, column } => {
                let head = if block.title.is_some() { TITLE + 3 } else { 0 };
                for (at, &node) in block.nodes.iter().enumerate() {
                    let (left, top) = ((at / rows) as i64 * column, (at % rows) as i64 * ROW);
                    self.node(picture, node, x + PAD + left, y + head + top, *label);
                }
            }
            Content::Bar => {}
        }
    }

    /// A domain as a whole: a bar of who has how much of it.
    fn cell(&mut self, picture: &Picture<'_>, block: &Block, x: i64, y: i64) {
        let shares = picture.shares(block.nodes.iter().copied());
        let title = block.title.as_deref().unwrap_or_default();
        let (width, bar) = (CELL.0 - 12, y + 21);
        self.line(format_args!(
            "<g><title>{}: {} nodes, {} of {} devices free</title>\
             <rect x=\"{x}\" y=\"{y}\" width=\"{}\" height=\"{}\" rx=\"3\" fill=\"#ffffff\" stroke=\"#c6ccd4\"/>\
             <text x=\"{}\" y=\"{}\">{}</text>\
             <text x=\"{}\" y=\"{}\" text-anchor=\"end\" fill=\"{FAINT}\" font-size=\"9\">{} free</text>\
             <rect x=\"{}\" y=\"{bar}\" width=\"{width}\" height=\"9\" fill=\"{FREE}\"/>",
            escape(title),
            block.nodes.len(),
            devices(shares.free),
            devices(shares.total),
            CELL.0,
            CELL.1,
            x + 6,
            y + 14,
            escape(&short(title)),
            x + CELL.0 - 6,
            y + 14,
            devices(shares.free),
            x + 6
        ));
        let mut from = 0;
        for (fill, milli) in parts(&shares) {
            let [left, right] = [from, from + milli].map(|at| scale(at, shares.total, width));
            if right > left {
                self.line(format_args!(
                    "<rect x=\"{}\" y=\"{bar}\" width=\"{}\" height=\"9\" fill=\"{fill}\"/>",
                    x + 6 + left,
                    right - left
                ));
            }
            from += milli;
        }
        self.line(format_args!("</g>"));
    }

    /// A node: its name and a square for each device.
    fn node(&mut self, picture: &Picture<'_>, node: NodeId, x: i64, y: i64, label: i64) {
        let inventory = picture.inventory;
        let (gone, closed) = (inventory.is_removed(node), inventory.is_cordoned(node));
        let style = match (gone, closed) {
            (true, _) => format!(" fill=\"{FAINT}\" text-decoration=\"line-through\""),
            (_, true) => format!(" fill=\"{FAINT}\" font-style=\"italic\""),
            _ => String::new(),
        };
        let name = escape(&short(inventory.topology().node_name(node)));
        self.line(format_args!("<text x=\"{x}\" y=\"{}\" font-size=\"10\"{style}>{name}</text>", y + 11));
        // Where each device stands: islands keep a little apart.
        let islands = inventory.islands(node);
        let place = |device: u32| {
            let before =
                islands.iter().filter(|island| island.lowest_index().is_some_and(|low| low > 0 && low <= device));
            x + label + PITCH * i64::from(device) + ISLAND * before.count() as i64
        };
        let empty = match (gone, closed) {
            (true, _) => ("#ffffff", FAINT, " stroke-dasharray=\"2 2\""),
            (_, true) => ("url(#closed)", "#cfc7b4", ""),
            _ => (FREE, "#b5ceb5", ""),
        };
        // What a pod below has for itself is drawn once.
        let whole = picture.pods(node).filter(|(_, _, pod)| pod.milli == 0);
        let whole = whole.fold(DeviceSet::default(), |all, (_, _, pod)| all.union(pod.devices));
        for device in inventory.devices(node).without(whole).iter() {
            let held = 1_000 - inventory.left(node, device);
            let (fill, stroke, more) = if held == 1_000 { (HELD, HELD, "") } else { empty };
            let left = place(device);
            self.square(left, y, 1_000, fill, &format!(" stroke=\"{stroke}\"{more}"));
            if held < 1_000 && held > 0 {
                self.square(left, y, held, HELD, "");
            }
        }
        // Shares of a device lie on each other, from below.
        let mut stacked = [0_u32; 64];
        for (gang, rank, pod) in picture.pods(node) {
            let (fill, ink) = colour(gang);
            let (opacity, edge) = match pod.state {
                State::Placed => ("", String::new()),
                State::Extra => ("", format!(" stroke=\"{INK}\" stroke-dasharray=\"3 2\"")),
                State::Running => (" fill-opacity=\"0.55\"", String::new()),
            };
            let group = &picture.gangs[gang].name;
            self.line(format_args!("<g><title>{} rank {rank}: devices {}</title>", escape(group), pod.devices));
            if pod.milli > 0 {
                for device in pod.devices.iter() {
                    let below = &mut stacked[device as usize % 64];
                    let height = scale(u64::from(pod.milli), 1_000, DEVICE).max(1);
                    let bottom = y + DEVICE - scale(u64::from(*below), 1_000, DEVICE);
                    self.line(format_args!(
                        "<rect x=\"{}\" y=\"{}\" width=\"{DEVICE}\" height=\"{height}\" fill=\"{fill}\"{opacity}{edge}/>",
                        place(device),
                        bottom - height
                    ));
                    *below += pod.milli;
                }
            }
            // Neighbours are drawn as one piece, with the rank on the first that is.
            let (mut devices, mut first) = (pod.devices.iter().peekable(), pod.milli == 0);
            while let Some(start) = devices.next().filter(|_| pod.milli == 0) {
                let mut end = start;
                while let Some(next) = devices.next_if(|&next| next == end + 1 && place(next) - place(end) == PITCH) {
                    end = next;
                }
                let (left, wide) = (place(start), place(end) - place(start) + DEVICE);
                self.line(format_args!(
                    "<rect x=\"{left}\" y=\"{y}\" width=\"{wide}\" height=\"{DEVICE}\" rx=\"3\" fill=\"{fill}\"{opacity}{edge}/>"
                ));
                if std::mem::take(&mut first) {
                    let size = if rank >= 100 && wide < 2 * DEVICE { 7 } else { 9 };
                    let ink = if pod.state == State::Running { INK } else { ink };
                    self.line(format_args!(
                        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\" font-size=\"{size}\" fill=\"{ink}\">{rank}</text>",
                        left + wide / 2,
                        y + 10
                    ));
                }
            }
            // A pod without devices is a dot behind the node's devices.
            if pod.devices.is_empty() {
                let at = place(inventory.devices(node).len());
                self.line(format_args!(
                    "<circle cx=\"{}\" cy=\"{}\" r=\"3\" fill=\"{fill}\"{opacity}/>",
                    at + 3,
                    y + 6
                ));
            }
            self.line(format_args!("</g>"));
        }
    }

    /// A device, or as much of it from below.
    fn square(&mut self, x: i64, y: i64, milli: u32, fill: &str, more: &str) {
        let height = scale(u64::from(milli), 1_000, DEVICE);
        let top = y + DEVICE - height;
        self.line(format_args!(
            "<rect x=\"{x}\" y=\"{top}\" width=\"{DEVICE}\" height=\"{height}\" rx=\"2\" fill=\"{fill}\"{more}/>"
        ));
    }
}

/// What a bar is made of, from the left: gangs in their order, then what others hold or nobody can have.
fn parts(shares: &Shares) -> impl Iterator<Item = (&'static str, u64)> {
    let gangs: u64 = shares.gangs.values().sum();
    let rest = shares.total.saturating_sub(shares.free).saturating_sub(gangs);
    let gangs: Vec<_> = shares.gangs.iter().map(|(&gang, &milli)| (colour(gang).0, milli)).collect();
    gangs.into_iter().chain([(HELD, rest)])
}

fn colour(gang: usize) -> (&'static str, &'static str) {
    COLOURS[gang % COLOURS.len()]
}

/// A part of a whole in pixels.
fn scale(part: u64, whole: u64, pixels: i64) -> i64 {
    let part = part.min(whole);
    (u128::from(part) * pixels as u128 / u128::from(whole.max(1))) as i64
}

/// Milli as devices, with a tenth where there is a part of one.
fn devices(milli: u64) -> String {
    let (whole, tenth) = (milli / 1_000, milli % 1_000 / 100);
    if tenth > 0 { format!("{}.{tenth}", thousands(whole)) } else { thousands(whole) }
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Text as XML has it; what XML cannot have is left out.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => {}
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}
