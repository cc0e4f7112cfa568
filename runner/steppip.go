package runner

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// pythonShelf has the environments of pip_install_requirements, by content.
const (
	pythonShelf = "environments"
	// pythonKept is how long an environment is kept that no run uses.
	pythonKept = 7 * 24 * time.Hour
)

type pipArguments struct {
	File      string `json:"requirements_file"`
	Directory string `json:"directory"`
	Stream    *bool  `json:"stream_output"`
}

// pipInstall gives the steps that follow, and the flow, an environment with what
// the requirements name, over the packages that the interpreter has.
func (r *stepRun) pipInstall(a pipArguments) (map[string]any, error) {
	if a.File == "" {
		a.File = "requirements.txt"
	}
	p, err := r.newPipRun(a)
	if err != nil {
		return nil, err
	}
	environment, err := p.environment()
	if err != nil {
		return nil, err
	}
	bin := filepath.Join(environment, "bin")
	path := bin
	if before := variable(r.env, "PATH"); before != "" {
		path += string(filepath.ListSeparator) + before
	}
	r.env = overlay(r.env, map[string]*string{"VIRTUAL_ENV": &environment, "PATH": &path, "PYTHONHOME": nil})
	r.python = filepath.Join(bin, "python")
	return p.out.outputs(), nil
}

// pipRun is one pip_install_requirements step under way.
type pipRun struct {
	*stepRun
	python, file, dir string
	quiet             bool
	content           requirements
	out               output
}

func (r *stepRun) newPipRun(a pipArguments) (*pipRun, error) {
	p := &pipRun{stepRun: r, dir: r.within(a.Directory), quiet: a.Stream != nil && !*a.Stream}
	p.file = a.File
	if !filepath.IsAbs(p.file) {
		p.file = filepath.Join(p.dir, p.file)
	}
	python := r.python
	if python == "" {
		python = "python3"
	}
	var err error
	if p.python, err = findProgram(Spec{Argv: []string{python}, Env: r.env, Dir: p.dir}); err != nil {
		return nil, err
	}
	if p.python, err = filepath.Abs(p.python); err != nil {
		return nil, err
	}
	return p, p.content.read(p.file)
}

// environment is shared by all runs with these requirements. Those that name
// folders may mean something else the next time, and get one of the run's own.
func (p *pipRun) environment() (string, error) {
	if p.content.folders {
		path := filepath.Join(p.own, fmt.Sprintf("environment-%d", p.at+1))
		return path, p.install(path)
	}
	s := shelf{folder: filepath.Join(p.cache, pythonShelf), rest: p.rest, say: p.say}
	installed := false
	path, held, err := s.take(p.key(), recipe{
		what: "the environment of " + filepath.Base(p.file),
		sound: func(path, note string) bool {
			_, err := os.Stat(filepath.Join(path, "bin", "python")) // the interpreter below may be gone
			return err == nil && packagesIn(path) == note
		},
		make: func(path string, held *os.File) (string, error) {
			defer p.hold(held)()
			installed = true
			err := p.install(path)
			return packagesIn(path), err
		},
	})
	if err != nil {
		return "", err
	}
	p.hold(held)
	if !installed {
		p.say("runnel: what " + filepath.Base(p.file) + " asks for is installed already, in " + path)
	}
	return path, nil
}

// packagesIn tells by their names whether a run has installed or removed packages in
// an environment that others use, too.
func packagesIn(environment string) string {
	names, _ := filepath.Glob(filepath.Join(environment, "lib", "python*", "site-packages", "*"))
	names = slices.DeleteFunc(names, func(name string) bool { return filepath.Base(name) == "__pycache__" })
	return shortHash(strings.Join(names, "\x00"))
}

// key is of all that decides what is installed.
func (p *pipRun) key() string {
	sum := sha256.New()
	fmt.Fprintf(sum, "%s\n", p.python)
	if real, err := filepath.EvalSymlinks(p.python); err == nil {
		if info, err := os.Stat(real); err == nil {
			fmt.Fprintf(sum, "%s %d %d\n", real, info.Size(), info.ModTime().UnixNano())
		}
	}
	sum.Write(p.content.text)
	return hex.EncodeToString(sum.Sum(nil)[:12])
}

// below has an environment find what the interpreter that it was made with finds,
// behind its own packages: venv's own way knows only of the system's.
const below = `import glob, os, site, sys
folders = site.getsitepackages() + ([site.getusersitepackages()] if site.ENABLE_USER_SITE else [])
for home in glob.glob(os.path.join(sys.argv[1], "lib", "python*", "site-packages")):
    with open(os.path.join(home, "_runnel_below.pth"), "w") as file:
        file.write("import site; " + "; ".join("site.addsitedir(%r)" % folder for folder in folders) + "\n")
`

// install makes an environment with uv where that is installed, else with the
// interpreter's own venv and pip.
func (p *pipRun) install(path string) error {
	uv, err := findProgram(Spec{Argv: []string{"uv"}, Env: p.env, Dir: p.dir})
	lines := [][]string{
		{p.python, "-m", "venv", path},
		{p.python, "-c", below, path},
		{filepath.Join(path, "bin", "python"), "-m", "pip", "install", "-r", p.file},
	}
	if err == nil {
		lines[0] = []string{uv, "venv", "--quiet", "--no-project", "--allow-existing", "--python", p.python, path}
		lines[2] = []string{uv, "pip", "install", "--python", filepath.Join(path, "bin", "python"), "-r", p.file}
	}
	no, yes := "0", "1"
	env := overlay(p.env, map[string]*string{
		"PIP_NO_INPUT": &yes, "PIP_DISABLE_PIP_VERSION_CHECK": &yes, "PIP_USER": &no, "PYTHONHOME": nil, "PIP_TARGET": nil, "PIP_PREFIX": nil,
	})
	for _, argv := range lines {
		out, err := p.exec(command{argv: argv, env: env, dir: p.dir, quiet: p.quiet})
		if err != nil {
			return err
		}
		p.out.join(out)
	}
	return nil
}

// requirements are a file and the files that it names.
type requirements struct {
	text    []byte
	folders bool // they name something whose content is not in the text
	seen    map[string]bool
}

// maxRequirements bounds files that name each other, in bytes.
const maxRequirements = 8 << 20

func (q *requirements) read(path string) error {
	if q.seen == nil {
		q.seen = map[string]bool{}
	}
	if q.seen[path] {
		return nil
	}
	q.seen[path] = true
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read the requirements: %w", err)
	}
	q.text = append(append(q.text, text...), 0)
	if len(q.text) > maxRequirements {
		return errors.New("its requirements are too long")
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(requirementsComment().ReplaceAllString(line, ""))
		if err := q.line(line, filepath.Dir(path)); err != nil {
			return err
		}
	}
	return nil
}

var (
	requirementsComment = lazily(`(^|\s)#.*`)
	// localRequirement is a path: what lies there may change.
	localRequirement = lazily(`^[./]|^[^-\s][^\s;]*/|\.(whl|zip|tar\.gz|tgz)$`)
)

// line follows what a line names (the rules are pip's: -r FILE, --constraint=FILE,
// -e FOLDER, ./FOLDER, NAME @ file:…).
func (q *requirements) line(line, dir string) error {
	for _, option := range []string{"-r", "--requirement", "-c", "--constraint"} {
		name, found := strings.CutPrefix(line, option)
		if !found || name == "" || strings.HasPrefix(option, "--") && name[0] != ' ' && name[0] != '=' {
			continue
		}
		name = strings.Trim(name, " \t='\"")
		if strings.Contains(name, "://") || strings.Contains(name, "${") {
			q.folders = true // or a file that the environment names
			return nil
		}
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		return q.read(name)
	}
	q.folders = q.folders || strings.HasPrefix(line, "-e") || strings.HasPrefix(line, "--editable") || strings.Contains(line, "file:") ||
		!strings.Contains(line, "://") && localRequirement().MatchString(line)
	return nil
}
