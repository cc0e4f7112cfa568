package cli

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"runnel/store"
)

// askRequired asks for what no default gives, where a schedule would start runs
// without anybody to give it.
func (w *wizard) askRequired() error {
	specs, err := w.c.specs() // of answers and flags alike
	if err != nil {
		return err
	}
	if w.c.Entrypoint != "" && w.keepsUnsaid() {
		return nil // one of them on the line would lose the others
	}
	for _, name := range w.schema.Names() {
		if w.schema.Requires(name) && specs != nil && len(*specs) > 0 && !w.isGiven(name, *specs) {
			if err := w.setParameter(name); err != nil {
				return err
			}
		}
	}
	return nil
}

// isGiven is true for what the line, the deployment as it is, or every schedule
// sets.
func (w *wizard) isGiven(name string, specs []store.ScheduleSpec) bool {
	if hasParam(w.c.Param, name) || w.current()[name] != nil {
		return true
	}
	if values, err := w.parameters(w.schema, nil, w.c.Params); err == nil && values[name] != nil {
		return true
	}
	return !slices.ContainsFunc(specs, func(s store.ScheduleSpec) bool { return s.Parameters[name] == nil })
}

func (w *wizard) setParameter(name string) error {
	text, err := w.askParameter(name, "", "")
	if err == nil {
		w.c.Param = append(w.c.Param[:len(w.c.Param):len(w.c.Param)], name+"="+text)
	}
	return err
}

// askDefaults is the rest: one question for who leaves the defaults.
func (w *wizard) askDefaults() error {
	if w.c.Entrypoint == "" || w.givesParameters() {
		return nil
	}
	f := parameterForm{wizard: w, title: "Which parameters get other values?", leave: "None: leave the defaults", values: store.Values{}, now: w.current()}
	for _, name := range w.schema.Names() {
		if !hasParam(w.c.Param, name) {
			f.names = append(f.names, name)
		}
	}
	if len(f.names) == 0 {
		return nil
	}
	if len(f.now) > 0 {
		f.leave = "None: leave them as they are"
	}
	if err := f.ask(); err != nil {
		return err
	}
	w.c.Param = append(w.c.Param[:len(w.c.Param):len(w.c.Param)], f.args...)
	return nil
}

// keepParameters puts what a deployment has beside what was answered: on a line
// the parameters are all of them.
func (w *wizard) keepParameters() error {
	if w.c.Entrypoint == "" || w.givesParameters() || len(w.c.Param) == 0 {
		return nil
	}
	for name, raw := range w.current() {
		if _, known := w.schema.Properties[name]; known && !hasParam(w.c.Param, name) {
			w.c.Param = append(w.c.Param[:len(w.c.Param):len(w.c.Param)], name+":="+string(raw))
		}
	}
	w.c.Param = slices.Sorted(slices.Values(w.c.Param))
	return nil
}

// givesParameters is true where the line that was typed has them, and where the
// deployment has some that no line could keep: hidden ones, and texts that look
// like a template.
func (w *wizard) givesParameters() bool {
	return w.given.Params != "" || len(w.given.Param) > 0 || w.keepsUnsaid()
}

// keepsUnsaid is true where the deployment has parameters that it can only keep.
func (w *wizard) keepsUnsaid() bool {
	d, _ := w.existing(w.c.Name[0])
	for _, raw := range d.Parameters {
		if store.HasTemplate(raw) {
			return true
		}
	}
	return !maps.EqualFunc(d.Parameters, d.Masked().Parameters, func(a, b json.RawMessage) bool { return bytes.Equal(a, b) })
}

// current are the parameters of the deployment as it is; nil of a new one.
func (w *wizard) current() store.Values {
	if w.c.Entrypoint == "" {
		return nil
	}
	d, _ := w.existing(w.c.Name[0])
	return d.Parameters
}

func hasParam(args []string, name string) bool {
	return slices.ContainsFunc(args, func(arg string) bool {
		given, _, _ := strings.Cut(arg, "=")
		return strings.TrimSuffix(given, ":") == name
	})
}

// parameterForm is a list of parameters, each of which opens its own question.
type parameterForm struct {
	*wizard
	title, leave string
	suffix       string       // of a value's question
	names        []string     // nil: all
	now          store.Values // what holds where nothing is answered, over the defaults
	values       store.Values // the answers
	args         []string     // the answers as flags take them
}

// ask shows the list until it is left.
func (f *parameterForm) ask() error {
	if f.names == nil {
		f.names = f.schema.Names()
	}
	for {
		delete(f.answers, f.title) // each time the first row: it leads on
		name, err := f.wizard.ask(f.question())
		if err != nil || name == "" {
			return err
		}
		preset := ""
		if raw := f.value(name); raw != nil {
			preset = plainText(f.schema, name, raw)
		}
		text, err := f.askParameter(name, f.suffix, preset)
		if err != nil {
			return err
		}
		f.set(name, text)
	}
}

func (f *parameterForm) set(name, text string) {
	_, value, err := f.schema.Parse(name + "=" + text)
	if err != nil {
		return // the question has checked it
	}
	f.values[name] = value
	var args []string
	for _, arg := range f.args {
		if !strings.HasPrefix(arg, name+"=") {
			args = append(args, arg)
		}
	}
	f.args = append(args, name+"="+text)
}

// value is what a parameter has now: the answer, what was set, the default.
func (f *parameterForm) value(name string) json.RawMessage {
	for _, values := range []store.Values{f.values, f.now, f.schema.Defaults()} {
		if raw, set := values[name]; set {
			return raw
		}
	}
	return nil
}

func (f *parameterForm) question() question {
	leave := f.leave
	if len(f.values) > 0 {
		leave = "Done"
	}
	q := question{title: f.title, rows: []row{{text: leave}}}
	for _, name := range f.names {
		value := "no default"
		if raw := f.value(name); raw != nil {
			value = string(raw)
		}
		q.rows = append(q.rows, row{text: column(name, 16) + "  " + column(clip(value, 20), 20) + "  " + f.schema.Describe(name), value: name})
	}
	return q
}

// property is what of a parameter's schema a question needs.
type property struct {
	Description string
	Type        string
	Enum        []json.RawMessage
	Ref         string `json:"$ref"`
}

// askParameter asks for one value, as a flag takes it.
func (w *wizard) askParameter(name, suffix, preset string) (string, error) {
	p := propertyOf(w.schema, name)
	q := question{title: "Value of " + name + suffix, value: preset}
	if p.Description != "" {
		q.notes = append(q.notes, p.Description)
	}
	switch {
	case len(p.Enum) > 0:
		for _, raw := range p.Enum {
			text := plainText(w.schema, name, raw)
			q.rows = append(q.rows, row{text: text, value: text})
		}
	case p.Type == "boolean":
		q.rows = []row{{text: "Yes: true", value: "true"}, {text: "No: false", value: "false"}}
	default:
		q.notes = append(q.notes, "It is "+w.schema.Describe(name)+".")
		q.below = 1
		q.check = func(text string) ([]string, error) {
			if err := w.checkParameter(name, text); err != nil || text != "" {
				return nil, err
			}
			return []string{"Enter alone gives an empty text"}, nil
		}
	}
	return w.ask(q)
}

func (w *wizard) checkParameter(name, text string) error {
	_, value, err := w.schema.Parse(name + "=" + text)
	if err == nil {
		err = w.schema.Validate(store.Values{name: value}, false)
	}
	if err != nil {
		return withHint(err)
	}
	return nil
}

// propertyOf reads a parameter's schema, that of a class it refers to included.
func propertyOf(schema store.ParameterSchema, name string) (p property) {
	// A schema of another shape has none of these, and is asked for as text.
	_ = json.Unmarshal(schema.Properties[name], &p)
	if p.Ref == "" {
		return p
	}
	var defs map[string]json.RawMessage
	if json.Unmarshal(schema.Defs, &defs) == nil {
		_ = json.Unmarshal(defs[strings.TrimPrefix(p.Ref, "#/$defs/")], &p)
	}
	return p
}

// plainText is a value as name=value gives it: a text without its quotes, where
// that reads back as the same.
func plainText(schema store.ParameterSchema, name string, raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) != nil {
		return string(raw)
	}
	if _, back, err := schema.Parse(name + "=" + text); err == nil && string(back) == string(raw) {
		return text
	}
	return string(raw)
}
