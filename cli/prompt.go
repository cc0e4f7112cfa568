package cli

// The only file that knows huh. A question is a huh form with one field: huh's
// text input, and below it what the text filters, or what a check says of it.
// huh's own select wants a key before it filters and Enter twice after, hides
// its title meanwhile and knows no headings; its checks come at Enter.

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"
	"charm.land/huh/v2"
	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"
)

// huhPrompter asks in a terminal. It writes to stderr: stdout is data.
type huhPrompter struct {
	*IO
	keys *keyboard
	// told are the rows of the screen that each answer took, so that going back
	// takes it away.
	told []int
}

func (p *huhPrompter) ask(q question) (string, error) {
	s := &asking{field: newField(q), keys: p.keys.turn()}
	s.form = huh.NewForm(huh.NewGroup(s.field)).WithShowHelp(false).WithShowErrors(false).WithTheme(huh.ThemeFunc(promptTheme))
	s.form.SubmitCmd = tea.Quit
	s.fit(p.Width, lowest) // until the terminal tells its size
	above := p.tell(q.above, p.Width)
	environ := p.Environ
	if p.Env("NO_COLOR") != "" {
		environ = append(environ[:len(environ):len(environ)], "NO_COLOR=1")
	}
	_, err := tea.NewProgram(s, tea.WithContext(p.keys.ctx), tea.WithInput(s.keys), tea.WithOutput(p.Err), tea.WithEnvironment(environ)).Run()
	s.keys.end()
	switch {
	case err == nil && s.back:
		p.takeBack(above)
		return "", errBack
	case err != nil || s.form.State != huh.StateCompleted:
		return "", errLeft
	}
	answer := s.field.answer()
	text := p.colour(p.ErrTerminal, bold, q.title) + " " + safe(q.answerText(answer))
	p.told = append(p.told, above+p.tell(text, s.field.width))
	return answer, nil
}

// tell writes lines, and gives the rows of the screen that they take.
func (p *huhPrompter) tell(text string, width int) (rows int) {
	if text == "" {
		return 0
	}
	p.say("%s", text)
	for line := range strings.SplitSeq(text, "\n") {
		rows += max(1, (ansi.StringWidth(line)+width-1)/width)
	}
	return rows
}

// takeBack clears what stood above a question, and the answer before it, which
// is asked for once more.
func (p *huhPrompter) takeBack(rows int) {
	if last := len(p.told) - 1; last >= 0 {
		rows += p.told[last]
		p.told = p.told[:last]
	}
	if rows > 0 {
		_, _ = fmt.Fprintf(p.Err, "\x1b[%dA\r\x1b[J", rows) // a closed stderr leaves nobody to ask
	}
}

// asking is the program of one question: huh's form, and the keys that leave it.
// It ends with nothing on the screen.
type asking struct {
	form       *huh.Form
	field      *field
	keys       *turn
	back, left bool
}

// Init is the form's.
func (s *asking) Init() tea.Cmd { return s.form.Init() }

// Update takes the keys that leave, and leaves every other to the form.
func (s *asking) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	press, isKey := msg.(tea.KeyPressMsg)
	if size, ok := msg.(tea.WindowSizeMsg); ok {
		s.fit(size.Width, size.Height)
	}
	if isKey {
		switch press.String() {
		case "shift+tab":
			s.back = true
			return s, tea.Quit
		case "esc", "ctrl+c":
			s.left = true
			return s, tea.Quit
		}
	}
	_, cmd := s.form.Update(msg)
	if isKey && (press.Code == tea.KeyEnter || press.Code == tea.KeyTab) && (press.Mod != 0 || s.field.refuse != nil) {
		s.keys.more()
	}
	return s, cmd
}

// View is the form's, until it is left.
func (s *asking) View() tea.View {
	if s.back || s.left {
		return tea.NewView("")
	}
	return tea.NewView(s.form.View())
}

func (s *asking) fit(width, height int) {
	s.field.resize(width, height)
	s.form.WithWidth(s.field.width).WithHeight(s.field.lines())
}

// promptTheme has no colour but red, so that it reads on light and on dark.
func promptTheme(bool) *huh.Styles {
	theme := huh.ThemeBase(false)
	theme.Focused.Base, theme.Blurred.Base = lipgloss.NewStyle(), lipgloss.NewStyle()
	theme.Focused.TextInput.Placeholder = lipgloss.NewStyle().Faint(true)
	return theme
}

// The smallest terminal, in cells, that a question is drawn for, and the width
// below which the columns of a list are not aligned.
const narrowest, lowest, narrow = 20, 6, 60

// field is a huh input with lines below it.
type field struct {
	*huh.Input
	q      question
	text   string
	places []int // of the rows that match the text
	at     int   // the chosen one of them
	refuse error // what the check or the list has against the text
	tried  bool  // Enter was pressed: an empty text is wrong now, and not before
	moved  bool  // a key was pressed: the default is edited, no longer replaced
	below  []string
	// Cells of the terminal.
	width, height int
}

func newField(q question) *field {
	f := &field{Input: huh.NewInput(), q: q, height: lowest}
	if q.rows == nil {
		f.text = q.value
	}
	switch {
	case q.isYesNo():
		f.Placeholder("y or n")
	case len(q.rows) > plainRows: // no screen shows them all
		f.Placeholder(fmt.Sprintf("type to filter %d rows", len(q.rows)))
	case q.rows != nil:
		f.Placeholder("type to filter")
	}
	f.Value(&f.text).Validate(func(string) error { f.tried = true; return f.refuse })
	f.judge()
	// The form gives it the focus as well, yet a frame may be drawn before.
	_ = f.Focus()
	return f
}

// Blur keeps the focus: between the answer and the end of its program a frame
// may be drawn, and the library's own colours without focus are for a dark ground.
func (f *field) Blur() tea.Cmd { return nil }

// judge follows a change of the text.
func (f *field) judge() {
	if f.q.rows == nil {
		f.below, f.refuse = f.q.judge(f.text)
		return
	}
	f.places, f.refuse = f.q.matches(f.text), nil
	f.at = f.q.nearest(f.places, f.text)
	if f.text == "" {
		f.at = f.q.place()
	}
	if len(f.places) == 0 {
		f.refuse = errNoMatch
	}
}

func (f *field) answer() string {
	if f.q.rows == nil {
		return strings.TrimSpace(f.text)
	}
	return f.q.rows[f.places[f.at]].value
}

// Update moves in the list, and leaves every other key to the input.
func (f *field) Update(msg tea.Msg) (huh.Model, tea.Cmd) {
	press, isKey := msg.(tea.KeyPressMsg)
	if isKey && f.move(press.String()) {
		return f, nil
	}
	before := f.text
	f.replaceDefault(msg)
	_, cmd := f.Input.Update(msg)
	if f.text != before {
		f.judge()
	}
	return f, cmd
}

// replaceDefault lets what is typed or pasted first stand in place of the
// default; another key before it, and the default is edited.
func (f *field) replaceDefault(msg tea.Msg) {
	types := false
	switch msg := msg.(type) {
	case tea.KeyPressMsg:
		types = msg.Text != ""
	case tea.PasteMsg:
		types = true
	default:
		return
	}
	if types && !f.moved && f.q.rows == nil {
		f.text = ""
		f.Value(&f.text)
	}
	f.moved = true
}

// move is true for the keys that choose a row.
func (f *field) move(key string) bool {
	steps, known := map[string]int{
		"up": -1, "down": 1, "ctrl+p": -1, "ctrl+n": 1, "pgup": -f.room(), "pgdown": f.room(),
	}[key]
	if !known || len(f.places) == 0 {
		return known
	}
	if steps == 1 && f.at == len(f.places)-1 {
		f.at = -1 // round to the first
	} else if steps == -1 && f.at == 0 {
		f.at = len(f.places)
	}
	f.at = min(max(f.at+steps, 0), len(f.places)-1)
	return true
}

// WithHeight keeps the height that resize gives.
func (f *field) WithHeight(int) huh.Field { return f }

func (f *field) resize(width, height int) {
	f.width, f.height = max(narrowest, width), max(lowest, height)
}

// View is drawn by ourselves but for the line that is edited.
func (f *field) View() string {
	lines := f.head()
	lines = append(lines, f.Input.View())
	lines = append(lines, f.body()...)
	for len(lines) < f.lines()-1 {
		lines = append(lines, "")
	}
	lines = append(lines[:f.lines()-1], lipgloss.NewStyle().Faint(true).Render(f.help()))
	return strings.Join(lines, "\n")
}

func (f *field) head() []string {
	lines := styled(lipgloss.NewStyle().Bold(true), wrap(clean(f.q.title), f.width))
	for _, note := range f.q.notes {
		lines = append(lines, styled(lipgloss.NewStyle().Faint(true), wrap(clean(note), f.width))...)
	}
	if most := f.height - 5; len(lines) > most {
		lines = lines[:most]
	}
	return lines
}

func styled(style lipgloss.Style, lines []string) []string {
	for i := range lines {
		lines[i] = style.Render(lines[i])
	}
	return lines
}

// body is the list around the chosen row, or what the check says.
func (f *field) body() []string {
	var lines []string
	at := 0
	if f.q.rows == nil {
		for _, line := range f.below {
			lines = append(lines, indented(clean(line), f.width)...)
		}
	} else {
		lines, at = f.list()
	}
	if f.refuse != nil && (f.text != "" || f.tried || f.q.rows != nil) {
		red := lipgloss.NewStyle().Foreground(lipgloss.Red)
		lines = append(lines, styled(red, wrap(clean(f.refuse.Error()), f.width))...)
	}
	room := f.room()
	from := max(0, min(at-room/2, len(lines)-room))
	lines = lines[from:min(len(lines), from+room)]
	for i := range lines {
		lines[i] = ansi.Truncate(lines[i], f.width, "…")
	}
	return lines
}

// indented is a line below the input; what is too long goes on further in.
func indented(line string, width int) []string {
	if ansi.StringWidth(line)+2 <= width {
		return []string{"  " + line}
	}
	lines := wrap(line, width-6)
	for i := range lines {
		lines[i] = "      " + lines[i]
	}
	lines[0] = lines[0][4:]
	return lines
}

// list is every row that matches, under its heading; at is the chosen one's line.
func (f *field) list() (lines []string, at int) {
	group := ""
	for i, place := range f.places {
		r := f.q.rows[place]
		if r.group != group {
			group = r.group
			lines = append(lines, lipgloss.NewStyle().Faint(true).Render(clean(group)))
		}
		text := clean(r.text)
		if f.width < narrow {
			text = clean(r.joined("  "))
		}
		line := "  " + text
		if i == f.at {
			line, at = lipgloss.NewStyle().Bold(true).Render("> "+text), len(lines)
		}
		lines = append(lines, line)
	}
	return lines, at
}

// room is how many lines the body has, the same for as long as the terminal
// keeps its size: what jumps is hard to read.
func (f *field) room() int {
	wanted := f.q.below + 2
	if f.width < narrow {
		wanted += f.q.below // each may take two lines
	}
	if f.q.rows != nil {
		group := ""
		wanted = len(f.q.rows)
		for _, r := range f.q.rows {
			if r.group != group { // list puts a line before it
				group = r.group
				wanted++
			}
		}
	}
	return max(1, min(wanted, f.height-len(f.head())-3))
}

// lines is the height of the whole: what to know, the input, the body, help.
func (f *field) lines() int { return len(f.head()) + 1 + f.room() + 1 }

func (f *field) help() string {
	long, short := "enter: take it · shift-tab: back · esc: leave", "⏎ take · ⇧⇥ back · esc leave"
	if f.q.rows != nil {
		long = "↑↓: move · enter: choose · shift-tab: back · esc: leave"
		short = "↑↓ ⏎ choose · ⇧⇥ back · esc leave"
	}
	if ansi.StringWidth(long) > f.width {
		return ansi.Truncate(short, f.width, "…")
	}
	return long
}
