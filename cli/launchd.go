package cli

import (
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

var launchd = manager{
	name:    "launchd",
	program: "launchctl",
	file: func(a *app, s service) (string, error) {
		if s.System {
			return filepath.Join("/Library/LaunchDaemons", launchdLabel(s)+".plist"), nil
		}
		if a.Env("HOME") == "" {
			return "", usage("HOME does not say where your services are")
		}
		return filepath.Join(a.Env("HOME"), "Library", "LaunchAgents", launchdLabel(s)+".plist"), nil
	},
	text: launchdText,
	start: func(s service, file string) [][]string {
		return [][]string{{"enable", launchdTarget(s)}, {"bootstrap", launchdDomain(s), file}}
	},
	stop: func(s service, _ string) [][]string { return [][]string{{"bootout", launchdTarget(s)}} },
	see:  func(s service) string { return "tail -f " + s.Log },
	pool: func(name string) string {
		return "<string>--pool</string>\n\t\t<string>" + escaped(name) + "</string>"
	},
}

func launchdLabel(s service) string { return "runnel." + s.Name }

func launchdDomain(s service) string {
	if s.System {
		return "system"
	}
	return fmt.Sprintf("gui/%d", os.Getuid())
}

func launchdTarget(s service) string { return launchdDomain(s) + "/" + launchdLabel(s) }

// launchdText is the property list. AbandonProcessGroup leaves the slots alone
// when the worker is stopped; ExitTimeOut ends its waiting for them.
func launchdText(s service) string {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<!-- ` + strings.ReplaceAll(strings.TrimSpace(databaseMark(s)), "--", "- -") + "\n-->\n" + `<plist version="1.0">
<dict>
	<key>Label</key>
	<string>` + escaped(launchdLabel(s)) + `</string>
	<key>ProgramArguments</key>
	<array>
`)
	for _, word := range s.Command {
		fmt.Fprintf(&b, "\t\t<string>%s</string>\n", escaped(word))
	}
	b.WriteString("\t</array>\n")
	if s.User != "" {
		fmt.Fprintf(&b, "\t<key>UserName</key>\n\t<string>%s</string>\n", escaped(s.User))
	}
	fmt.Fprintf(&b, `	<key>EnvironmentVariables</key>
	<dict>
		<key>PATH</key>
		<string>%s</string>
	</dict>
	<key>StandardErrorPath</key>
	<string>%s</string>
	<key>RunAtLoad</key>
	<true/>
	<key>KeepAlive</key>
	<dict>
		<key>SuccessfulExit</key>
		<false/>
	</dict>
	<key>AbandonProcessGroup</key>
	<true/>
	<key>ExitTimeOut</key>
	<integer>5</integer>
</dict>
</plist>
`, escaped(s.Path), escaped(s.Log))
	return b.String()
}

func escaped(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a builder takes all
	return b.String()
}
