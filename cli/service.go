package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"runnel/store"
)

// serviceFlags say which service is meant.
type serviceFlags struct {
	Pool   string `short:"p" env:"RUNNEL_POOL" required:"" placeholder:"NAME" help:"The work pool to work for."`
	Name   string `short:"n" placeholder:"NAME" help:"The worker's name, and after runnel- the service's (default: the pool's)."`
	User   bool   `xor:"whose" help:"A service of yours, while you are logged in or may linger (the default)."`
	System bool   `xor:"whose" help:"A service of the machine, which root installs (root's default)."`
}

// service is a worker that a service manager keeps running.
type service struct {
	Name     string
	System   bool
	Pool     string
	Database string
	Command  []string // argv
	User     string   // a machine's service works as the database's owner; "": as root
	Path     string   // PATH
	Log      string   // launchd only: where stderr goes
}

// manager is systemd or launchd.
type manager struct {
	name, program string
	// file is where a service's description lies, and text what it says.
	file func(a *app, s service) (string, error)
	text func(s service) string
	// start and stop are what the program is called with, in order.
	start, stop func(s service, file string) [][]string
	see         func(s service) string   // the line that shows its log
	pool        func(name string) string // how the text names its pool
}

func managerHere() (manager, error) {
	switch runtime.GOOS {
	case "linux":
		return systemd, nil
	case "darwin":
		return launchd, nil
	}
	return manager{}, &exitError{
		code: exitRefused, message: "there is neither systemd nor launchd on " + runtime.GOOS,
		hint: []string{startElse("NAME")},
	}
}

// service is what the flags mean.
func (f serviceFlags) service(a *app) (s service, err error) {
	s = service{Name: f.Name, System: f.System, Pool: f.Pool, Path: a.Env("PATH")}
	if s.Name == "" {
		s.Name = f.Pool
	}
	for _, n := range [][2]string{{"work pool", f.Pool}, {"service", s.Name}} {
		if err := store.CheckPlainName(n[0], n[1]); err != nil {
			return s, err
		}
	}
	if os.Geteuid() == 0 && !f.User {
		s.System = true
	}
	if s.Database, err = a.database(); err != nil {
		return s, err
	}
	if strings.IndexFunc(s.Database+s.Path, unsafe) >= 0 {
		return s, usage("the path of the database, or PATH, has a control character")
	}
	s.Log = filepath.Join(store.New(s.Database).Folder(), "worker-"+s.Name+".log")
	return s, nil
}

type workerInstallCmd struct {
	serviceFlags
	WorkQueue []string `short:"q" sep:"none" placeholder:"NAME" help:"Only this queue of the pool; repeatable."`
	Limit     *int     `short:"l" placeholder:"N" help:"At most so many runs at once."`
	Print     bool     `help:"Only print what would be written."`
	Force     bool     `help:"Replace the service of another database."`
}

// Help ends with examples.
func (workerInstallCmd) Help() string {
	return "Writes a service for systemd (Linux) or launchd (macOS), starts it, now and whenever the machine " +
		"starts. A restart of it leaves alone what runs: runs end by themselves, and are recorded.\n\n" +
		"Examples:\n  runnel worker install --pool my-process-pool\n  runnel worker install -p etl --limit 4 --system --print"
}

func (c workerInstallCmd) Run(a *app) error {
	if c.Limit != nil && *c.Limit < 1 {
		return usage("--limit: %d; it is 1 or more", *c.Limit)
	}
	m, err := managerHere()
	if err != nil {
		return err
	}
	s, err := c.describe(a)
	if err != nil {
		return err
	}
	if c.Print {
		if err := checkPool(a, s); err != nil {
			return err
		}
		a.print("%s", strings.TrimRight(m.text(s), "\n"))
		return nil
	}
	file, err := m.file(a, s)
	if err != nil {
		return err
	}
	if err := c.check(a, s, file); err != nil {
		return err
	}
	if err := m.install(a, s, file); err != nil {
		return err
	}
	a.say("worker %s runs as a service: %s", s.Name, file)
	a.say("see its log: %s", m.see(s))
	if !s.System && runtime.GOOS == "linux" {
		a.say("so that it runs while you are not logged in: loginctl enable-linger")
	}
	return nil
}

// describe makes the service that the worker's flags mean.
func (c workerInstallCmd) describe(a *app) (service, error) {
	s, err := c.service(a)
	if err != nil {
		return s, err
	}
	binary, err := os.Executable()
	if err != nil {
		return s, err
	}
	if underGoRun(binary) {
		return s, &exitError{
			code: exitRefused, message: "this runnel is a temporary one: it will be gone when the service starts",
			hint: []string{"first put runnel on your PATH, in its source folder: go install ."},
		}
	}
	s.Command = []string{binary, "--db", s.Database, "worker", "start", "--pool", s.Pool, "--name", s.Name}
	for _, queue := range c.WorkQueue {
		s.Command = append(s.Command, "--work-queue", queue)
	}
	if c.Limit != nil {
		s.Command = append(s.Command, "--limit", fmt.Sprint(*c.Limit))
	}
	if s.System {
		s.User = ownerOf(s.Database)
	}
	return s, nil
}

// check refuses a pool that is not there, and another database's service.
func (c workerInstallCmd) check(a *app, s service, file string) error {
	text, err := os.ReadFile(file)
	if err == nil && !c.Force && !strings.Contains(string(text), databaseMark(s)) {
		return &exitError{
			code: exitRefused, message: fmt.Sprintf("%s is there already, and is no worker's of %s", file, s.Database),
			hint: []string{"give this one another name: --name NAME", "or replace that one: --force"},
		}
	}
	return checkPool(a, s)
}

func checkPool(a *app, s service) error {
	if _, err := os.Stat(s.Database); err != nil || ownerOf(s.Database) != ownerName(os.Geteuid()) {
		return nil // the worker looks, as the owner
	}
	opened, err := a.store()
	if err != nil {
		return err
	}
	_, err = opened.WorkPool(a.ctx, s.Pool)
	return err
}

// isService is true where a service is known that works for a pool, or where
// there is nothing here to keep one.
func (a *app) isService(pool string) bool {
	m, err := managerHere()
	if err != nil {
		return true
	}
	for _, system := range []bool{false, true} {
		s := service{Name: "*", System: system, Database: a.opened.Path()}
		pattern, err := m.file(a, s)
		if err != nil {
			continue
		}
		files, _ := filepath.Glob(pattern)
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err == nil && strings.Contains(string(text), databaseMark(s)) && strings.Contains(string(text), m.pool(pool)) {
				return true
			}
		}
	}
	return false
}

// databaseMark is the line of a description that says whose it is.
func databaseMark(s service) string {
	return "Written by runnel worker install, for " + s.Database + "\n"
}

func (m manager) install(a *app, s service, file string) error {
	if _, err := exec.LookPath(m.program); err != nil {
		return m.missing(s)
	}
	_, err := os.Stat(file)
	known := err == nil
	if known {
		_ = m.call(m.stop(s, file)[:1]) // one that does not run cannot be stopped
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil { //nolint:gosec // a manager's folder is read by others
		return permission(err, s)
	}
	// It holds no secret, and a manager may read it as another user.
	if err := os.WriteFile(file, []byte(m.text(s)), 0o644); err != nil { //nolint:gosec // see above
		return permission(err, s)
	}
	start := m.start(s, file)
	if err := m.call(start[:1]); err != nil {
		if known {
			return err
		}
		// A manager that does not read it will not start it: a file left behind
		// would only look like a service.
		return errors.Join(m.notTaken(err, s), os.Remove(file))
	}
	return m.call(start[1:])
}

// notTaken adds to a manager's own words what to do without it.
func (m manager) notTaken(err error, s service) error {
	var e *exitError
	if errors.As(err, &e) {
		e.hint = append(e.hint, "nothing was installed: "+m.name+" does not run here, or not for you")
		e.hint = append(e.hint, withoutManager(s)...)
	}
	return err
}

// withoutManager is what keeps a worker running where no manager does.
func withoutManager(s service) []string {
	return []string{startElse(s.Pool), "or take the description elsewhere: runnel worker install --pool " + s.Pool + " --print"}
}

func startElse(pool string) string {
	return "let what starts programs here (a container, @reboot of cron) start: runnel worker start --pool " + pool
}

// call runs the manager's program once for each list of arguments.
func (m manager) call(calls [][]string) error {
	for _, args := range calls {
		out, err := exec.Command(m.program, args...).CombinedOutput()
		if err != nil {
			return &exitError{
				code: exitFailed, message: fmt.Sprintf("%s %s: %v", m.program, strings.Join(args, " "), err),
				hint: strings.Split(strings.TrimSpace(string(out)), "\n"),
			}
		}
	}
	return nil
}

func (m manager) missing(s service) error {
	return &exitError{
		code: exitRefused, message: "there is no " + m.program + " here to start services with",
		hint: withoutManager(s),
	}
}

func permission(err error, s service) error {
	if errors.Is(err, fs.ErrPermission) && s.System {
		return &exitError{
			code: exitFailed, message: err.Error(),
			hint: []string{"a service of the machine is root's to install: sudo", "or install your own: --user"},
		}
	}
	return err
}

type workerUninstallCmd struct {
	serviceFlags
}

// Help ends with examples.
func (workerUninstallCmd) Help() string {
	return "Runs that are under way go on to their end.\n\n" +
		"Examples:\n  runnel worker uninstall --pool my-process-pool\n  runnel worker uninstall -p etl --system"
}

func (c workerUninstallCmd) Run(a *app) error {
	m, err := managerHere()
	if err != nil {
		return err
	}
	s, err := c.service(a)
	if err != nil {
		return err
	}
	file, err := m.file(a, s)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &exitError{
			code: exitNotFound, message: fmt.Sprintf("no service %s: there is no %s", s.Name, file),
			hint: []string{"see what runs: runnel worker ls"},
		}
	case err != nil:
		return err
	case !strings.Contains(string(text), "Written by runnel worker install, for "):
		return &exitError{code: exitRefused, message: file + " was not written by runnel"}
	}
	if _, err := exec.LookPath(m.program); err != nil {
		return m.missing(s)
	}
	if err := m.call(m.stop(s, file)[:1]); err != nil {
		var e *exitError
		if errors.As(err, &e) {
			e.hint = append(e.hint, "where "+m.program+" runs nothing, take it away by hand: rm "+store.Quote(file))
		}
		return err
	}
	if err := os.Remove(file); err != nil {
		return permission(err, s)
	}
	a.say("worker %s is no service any more", s.Name)
	return m.call(m.stop(s, file)[1:])
}
