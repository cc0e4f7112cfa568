package discover

import (
	"errors"
	"testing"
)

func TestGitSourcesAreReadAsTyped(t *testing.T) {
	for text, want := range map[string]GitSource{
		"git+https://host/you/flows.git":                                  {"https://host/you/flows.git", "", ""},
		"git+https://host/you/flows.git@main#flows/a.py:go":               {"https://host/you/flows.git", "main", "flows/a.py:go"},
		"git+https://you@host/you/p/_git/flows@main#a.py":                 {"https://you@host/you/p/_git/flows", "main", "a.py"},
		"git+https://host:8443/flows@feature/x#a.py":                      {"https://host:8443/flows", "feature/x", "a.py"},
		"git+ssh://git@host/you/flows.git@v1.2#flows/a.py:A.go":           {"ssh://git@host/you/flows.git", "v1.2", "flows/a.py:A.go"},
		"git+ssh://git@host:2222/flows.git":                               {"ssh://git@host:2222/flows.git", "", ""},
		"git+file:///srv/flows.git@0123abc#a.sh":                          {"file:///srv/flows.git", "0123abc", "a.sh"},
		"git+git://127.0.0.1:9418/flows#pkg.module:go":                    {"git://127.0.0.1:9418/flows", "", "pkg.module:go"},
		"git@host:you/flows.git@main#a.py:go":                             {"git@host:you/flows.git", "main", "a.py:go"},
		"git+git@host:you/flows.git":                                      {"git@host:you/flows.git", "", ""},
		"git+you@host:flows.git@0123456789012345678901234567890123456789": {"you@host:flows.git", "0123456789012345678901234567890123456789", ""},
	} {
		got, is, err := ParseGitSource(text)
		if !is || err != nil || got != want {
			t.Errorf("%s: %+v %v %v, want %+v", text, got, is, err, want)
		}
		if again, _, err := ParseGitSource(got.String()); again != got || err != nil {
			t.Errorf("%s: typed again as %s it is %+v %v", text, got, again, err)
		}
	}
	for _, text := range []string{"flows/a.py:go", "gitfile.py", "git.py:go", "git@home.py", "pkg.git:go"} {
		if _, is, err := ParseGitSource(text); is || err != nil {
			t.Errorf("%s: taken for a repository: %v", text, err)
		}
	}
}

func TestHostileGitSourcesAreRefused(t *testing.T) {
	for _, text := range []string{
		"git+ext::sh -c touch% hacked", "git+ext::sh", "git+ext://sh", "git+fd::3", "git+https::https://host/a",
		"git+--upload-pack=touch hacked", "git+--upload-pack=x", "git+-x://host/a", "git+",
		"git+https://", "git+https://host", "git+https:///a", "git+file://host/a", "git+file://",
		"git+ssh://-oProxyCommand=x/a", "git+ssh://-l@host/a", "git+ssh://git@-oProxyCommand=x/a", "git@-oProxyCommand=x:a",
		"git@host:-a", "git+-oX@host:a", "git@host:",
		"git+https://host/a\nb", "git+https://host/a b", "git+https://host/a\x00", "git+https://host/a\\b",
		"git+https://host/a@", "git+https://host/a@-b", "git+https://host/a@--upload-pack=x", "git+https://host/a@b..c",
		"git+https://host/a@b^", "git+https://host/a@b:c", "git+https://host/a@b.lock", "git+https://host/a@@{1}",
		"git+https://host/a#/etc/passwd", "git+https://host/a#../b.py:go", "git+https://host/a#-b.py", "git+https://host/a#b/../../c.py",
		"https://host/a.git", "ssh://git@host/a", "git+https://host/%zz@main", "git+https://host/@main",
	} {
		s, is, err := ParseGitSource(text)
		var known *GitSourceError
		if !is || !errors.As(err, &known) {
			t.Errorf("%q: %+v %v %v", text, s, is, err)
		}
	}
}

func FuzzGitSource(f *testing.F) {
	for _, text := range []string{"git+https://h/a@b#c.py:d", "git@h:a@b#c", "git+ext::x", "git+file:///a"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, is, err := ParseGitSource(text)
		if !is || err != nil {
			return
		}
		if again, _, err := ParseGitSource(s.String()); err != nil || again != s {
			t.Errorf("%q: %+v, and again %+v %v", text, s, again, err)
		}
		if s.Repository[0] == '-' || s.Ref != "" && s.Ref[0] == '-' {
			t.Errorf("%q: git takes it for an option: %+v", text, s)
		}
	})
}
