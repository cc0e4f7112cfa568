package cli

import (
	"fmt"
	"path/filepath"
	"strings"
)

var systemd = manager{
	name:    "systemd",
	program: "systemctl",
	file: func(a *app, s service) (string, error) {
		unit := systemdUnit(s)
		if s.System {
			return filepath.Join("/etc/systemd/system", unit), nil
		}
		config := a.Env("XDG_CONFIG_HOME")
		if config == "" {
			if a.Env("HOME") == "" {
				return "", usage("neither XDG_CONFIG_HOME nor HOME says where your services are")
			}
			config = filepath.Join(a.Env("HOME"), ".config")
		}
		return filepath.Join(config, "systemd", "user", unit), nil
	},
	text: systemdText,
	start: func(s service, _ string) [][]string {
		// What runs already is restarted, so that it is what was just written.
		return scoped(s, []string{"daemon-reload"}, []string{"enable", systemdUnit(s)}, []string{"restart", systemdUnit(s)})
	},
	stop: func(s service, _ string) [][]string {
		return scoped(s, []string{"disable", "--now", systemdUnit(s)}, []string{"daemon-reload"})
	},
	see: func(s service) string {
		if s.System {
			return "journalctl -u " + systemdUnit(s)
		}
		return "journalctl --user -u " + systemdUnit(s)
	},
	pool: func(name string) string { return systemdArgument("--pool") + " " + systemdArgument(name) },
}

func systemdUnit(s service) string { return "runnel-" + s.Name + ".service" }

func scoped(s service, calls ...[]string) [][]string {
	if s.System {
		return calls
	}
	for i, call := range calls {
		calls[i] = append([]string{"--user"}, call...)
	}
	return calls
}

// systemdText is the unit. Each setting that is no default has its reason
// beside it, for whoever reads the file.
func systemdText(s service) string {
	var command []string
	for _, word := range s.Command {
		command = append(command, systemdArgument(word))
	}
	user, target := "", "default.target"
	if s.System {
		target = "multi-user.target"
		if s.User != "" {
			user = "User=" + s.User + "\n"
		}
	}
	return fmt.Sprintf(`# %s[Unit]
Description=runnel worker of the work pool %s

[Service]
Type=notify
ExecStart=%s
%sEnvironment=%s
# At a stop or a restart the worker leaves at once. What runs goes on to its end
# and is recorded; the next worker takes the rest.
KillMode=process
KillSignal=SIGHUP
# A run that the kernel kills for its memory is no end of the worker.
OOMPolicy=continue
Restart=on-failure
RestartSec=5

[Install]
WantedBy=%s
`, databaseMark(s), s.Pool, strings.Join(command, " "), user, systemdQuote("PATH="+s.Path), target)
}

// systemdQuote keeps a word as it is (systemd.syntax(7)).
func systemdQuote(word string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "%", "%%").Replace(word) + `"`
}

// systemdArgument is a word of a command, where a dollar has a meaning, too.
func systemdArgument(word string) string { return systemdQuote(strings.ReplaceAll(word, "$", "$$")) }
