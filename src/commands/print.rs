//! What is printed of the command line's own definition.

use std::io;

use clap::{Args, Command, CommandFactory as _};
use clap_complete::Shell;
use clap_mangen::Man;

use super::Cli;

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

/// The manual page, htgate(8), with every command.
///
/// # Errors
///
/// None in practice: it is written to memory.
pub(crate) fn manual() -> io::Result<Vec<u8>> {
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
        let help = examples.to_string();
        let help = help.replace('\\', "\\e").replace('-', "\\-");
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
Settings, and rules that take effect like a change of the users. \fB\-\-config\fR or
\fBHTGATE_CONFIG\fR name another file.
.SH "SEE ALSO"
.BR htpasswd (1),
.BR nginx (8)
"#;
