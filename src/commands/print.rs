//! What is printed of the command line's own definition.

use std::io;

use clap::{Arg, Args, Command, CommandFactory as _, ValueEnum};
use clap_complete::Shell;
use clap_mangen::Man;

use super::Cli;
use crate::config::Settings;

/// Which shell.
#[derive(Args, Debug)]
#[command(after_help = "Example: htgate completions bash > /etc/bash_completion.d/htgate")]
pub(crate) struct CompletionOptions {
    /// The shell.
    pub shell: Shell,
}

/// A script that completes the command line in a shell.
pub(crate) fn completions(options: &CompletionOptions) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut Cli::command(), "htgate", &mut script);
    script
}

/// Which manual page.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples: htgate man > /usr/local/share/man/man8/htgate.8\n          \
                  htgate man htgate.toml > /usr/local/share/man/man5/htgate.toml.5"
)]
pub(crate) struct ManualOptions {
    /// The page: htgate(8), the commands, or htgate.toml(5), the configuration file.
    #[arg(default_value = "htgate")]
    pub page: Page,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Page {
    #[value(name = "htgate")]
    Commands,
    #[value(name = "htgate.toml")]
    Configuration,
}

/// A manual page.
///
/// # Errors
///
/// None in practice: it is written to memory.
pub(crate) fn manual(options: &ManualOptions) -> io::Result<Vec<u8>> {
    match options.page {
        Page::Commands => commands(),
        Page::Configuration => Ok(configuration()),
    }
}

/// htgate.toml(5): its settings are those of the command line, its sections are written by hand.
fn configuration() -> Vec<u8> {
    let settings: String = settings().iter().map(describe_setting).collect();
    let page = include_str!("htgate.toml.5")
        .replace("@VERSION@", env!("CARGO_PKG_VERSION"))
        .replace("@SETTINGS@\n", &settings);
    page.into_bytes()
}

fn settings() -> Vec<Arg> {
    let command = Settings::augment_args(Command::new("htgate"));
    let settings = command.get_arguments();
    let settings = settings.filter(|setting| setting.get_id() != "config");
    settings.cloned().collect()
}

fn describe_setting(setting: &Arg) -> String {
    let help = setting.get_help().map(ToString::to_string);
    // A dot at the beginning of a line would be a macro's.
    let help = format!("\\&{}", plain(&help.unwrap_or_default()));
    let values = match choices(setting).as_slice() {
        [] => String::new(),
        names => format!("\n.br\nOne of {}.", plain(&names.join(", "))),
    };
    let (key, value) = (setting.get_id(), form(setting));
    format!(".TP\n\\fB{key}\\fR = \\fI{value}\\fR\n{help}{values}\n")
}

/// The words that it may be, each in quotes. Those that an option takes for true and false are no
/// words of the file.
fn choices(setting: &Arg) -> Vec<String> {
    if form(setting) == "BOOL" {
        return Vec::new();
    }
    let values = setting.get_possible_values();
    let quoted = values
        .iter()
        .map(|value| format!("\"{}\"", value.get_name()));
    quoted.collect()
}

/// How its value is written in TOML.
fn form(setting: &Arg) -> String {
    let names = setting.get_value_names().unwrap_or_default();
    let name = names.first().map_or("VALUE", |name| name.as_str());
    match name {
        "N" | "COST" | "SECONDS" | "BOOL" => name.to_owned(),
        "ADDRESS" => format!("[\"{name}\", ...]"),
        _ => format!("\"{name}\""),
    }
}

/// A text as the manual's language has it.
fn plain(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-")
}

/// htgate(8), with every command.
fn commands() -> io::Result<Vec<u8>> {
    let mut command = Cli::command();
    command.build();
    let mut page = Vec::new();
    let man = Man::new(command.clone())
        .section("8")
        .manual("System administration");
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    show_examples(&command, &mut page);
    for inner in command
        .get_subcommands()
        .filter(|inner| inner.get_name() != "help")
    {
        describe(inner, "htgate", &mut page)?;
    }
    page.extend(ENDING.as_bytes());
    Ok(page)
}

/// A command of its own section, and those inside it.
fn describe(command: &Command, parent: &str, page: &mut Vec<u8>) -> io::Result<()> {
    let name = format!("{parent} {}", command.get_name());
    let inside: Vec<_> = command
        .get_subcommands()
        .filter(|inner| inner.get_name() != "help")
        .collect();
    if inside.is_empty() {
        let man = Man::new(command.clone());
        let mut section = Vec::new();
        man.render_description_section(&mut section)?;
        man.render_synopsis_section(&mut section)?;
        // The options of serve are those of the program itself, which stand above.
        if command.get_name() != "serve" {
            man.render_options_section(&mut section)?;
        }
        let section = String::from_utf8_lossy(&section);
        let section = section
            .replace(".SH DESCRIPTION\n", "")
            .replace(".SH ", ".SS ");
        page.extend(format!(".SH \"{}\"\n{section}", name.to_uppercase()).as_bytes());
        show_examples(command, page);
    }
    for inner in inside {
        describe(inner, &name, page)?;
    }
    Ok(())
}

/// What the help says after the options.
fn show_examples(command: &Command, page: &mut Vec<u8>) {
    if let Some(examples) = command.get_after_help() {
        let help = plain(&examples.to_string());
        for paragraph in help.split("\n\n") {
            // Commands keep their lines; sentences are as long as the page is wide.
            let text = match paragraph.starts_with("Example") {
                true => format!(".PP\n.nf\n{paragraph}\n.fi\n"),
                false => format!(".PP\n{paragraph}\n"),
            };
            page.extend(text.as_bytes());
        }
    }
}

const ENDING: &str = r#".SH "EXIT STATUS"
0: it worked, and nothing has to be fixed.
1: it failed, or found faults.
2: wrong usage.
.SH FILES
.TP
.I htpasswd
One user a line, as \fIuser\fR:\fIhash\fR. It is watched: a change takes effect within moments.
.TP
.I /etc/htgate/htgate.toml
Settings, and rules that take effect like a change of the users: see
.BR htgate.toml (5).
\fB\-\-config\fR or \fBHTGATE_CONFIG\fR name another file.
.TP
.I /usr/share/doc/htgate/docs
How to set it up, in the Debian package.
.SH "SEE ALSO"
.BR htgate.toml (5),
.BR htpasswd (1),
.BR nginx (8)
"#;

#[cfg(test)]
mod tests {
    use super::*;

    /// What the page says of a setting is what the file takes.
    #[test]
    fn settings_are_written_as_the_page_has_it() {
        let settings = settings();
        assert!(settings.len() > 15, "{}", settings.len());
        for setting in settings {
            let key = setting.get_id();
            let value = form(&setting)
                .replace(", ...", "")
                .replace("ADDRESS", "[::1]:80")
                .replace("MODE", "0600")
                .replace("BOOL", "true")
                .replace("SECONDS", "9")
                .replace("COST", "9");
            let value = if value == "N" { "9" } else { &value };
            let choices = choices(&setting);
            let value = choices.first().map_or(value, String::as_str);
            let line = format!("{key} = {value}\n");
            let parsed: Result<Settings, _> = toml::from_str(&line);
            assert!(parsed.is_ok(), "{line}{parsed:?}");
        }
    }
}
