package store

import (
	"slices"
	"strings"
	"testing"
)

func TestJobVariablesAreReadFromACommandLine(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"env.A=1", "env.B=x=y", "env.A=2"}, `{"env":{"A":"2","B":"x=y"}}`},
		{[]string{"env.dotted.name=1"}, `{"env":{"dotted.name":"1"}}`},
		{[]string{"working_dir=/x", "python=3"}, `{"python":"3","working_dir":"/x"}`}, // strings, whatever they look like
		{[]string{"nice=5", "stream_output=false", "grace_seconds=1.5"}, `{"grace_seconds":1.5,"nice":5,"stream_output":false}`},
		{[]string{"image=a:b", "cpu=2"}, `{"cpu":2,"image":"a:b"}`},
		{[]string{`{"nice":1,"env":{"A":"1"}}`}, `{"env":{"A":"1"},"nice":1}`},
		{[]string{"env.A=1", `{"env":{"B":"2","A":null}}`}, `{"env":{"A":null,"B":"2"}}`}, // adds to the env that is there
		{[]string{`{"env":null}`, "env.A=1"}, `{"env":{"A":"1"}}`},
		{[]string{`env={"A":"1"}`, "env.B=2"}, `{"env":{"A":"1","B":"2"}}`},
	} {
		v := Values{}
		for _, arg := range c.args {
			must(t, v.ParseJobVariable(arg))
		}
		if got := v.text(); got != c.want {
			t.Errorf("%q is %s, want %s", c.args, got, c.want)
		}
	}
	for arg, want := range map[string]string{
		"nice": `"nice" is no job variable: name=value is wanted`, "=1": `"=1" is no job variable`,
		"{bad": "job variables {bad: read a JSON object", "env.=1": `"env.=1" names no variable: env.NAME=value is wanted`,
	} {
		if err := (Values{}).ParseJobVariable(arg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %s", arg, err, want)
		}
	}
	wantError(t, Values{"env": raw("3")}.ParseJobVariable("env.A=1"), Invalid, `job variable "env": 3 is not an object of strings`)
}

func TestJobVariablesOfAWrongTypeAreRefused(t *testing.T) {
	for name, c := range map[string]struct{ good, bad []string }{
		"env":           {[]string{"{}", `{"A":"1","B":null}`}, []string{"[]", `{"A":1}`, `"A=1"`}},
		"working_dir":   {[]string{`"/x"`}, []string{"1", "{}"}},
		"python":        {[]string{`"python3"`}, []string{"3"}},
		"prefect":       {[]string{`"auto"`, `"builtin"`, `"installed"`}, []string{`"other"`, "1"}},
		"stream_output": {[]string{"true"}, []string{`"true"`, "1"}},
		"nice":          {[]string{"-20", "19"}, []string{"20", "-21", "1.5", `"1"`}},
		"grace_seconds": {[]string{"0", "1.5"}, []string{"-1", `"1"`}},
	} {
		variable, _ := processVariable(name)
		for _, value := range c.good {
			if unknown, err := CheckJobVariables(Values{name: raw(value)}); err != nil || unknown != nil {
				t.Errorf("%s=%s: %v %v", name, value, unknown, err)
			}
		}
		for _, value := range c.bad {
			_, err := CheckJobVariables(Values{name: raw(value)})
			wantError(t, err, Invalid, "job variable \""+name+"\": "+value+" is not "+variable.Type)
		}
	}
	unknown, err := CheckJobVariables(Values{"image": raw("1"), "cpu": raw("{}"), "nice": raw("1")})
	must(t, err)
	if !slices.Equal(unknown, []string{"cpu", "image"}) {
		t.Errorf("unknown: %v", unknown)
	}
}

func TestJobVariablesLieOverEachOtherEnvNameByName(t *testing.T) {
	pool := Values{"env": raw(`{"A":"pool","B":"pool","C":"pool"}`), "nice": raw("1"), "python": raw(`"p1"`), "image": raw(`{"not":"known"}`)}
	deployment := Values{"env": raw(`{"B":"deployment","C":null}`), "nice": raw("2"), "stream_output": raw("false")}
	run := Values{"env": raw(`{"D":"run"}`), "grace_seconds": raw("3")}
	j, err := MergeJobVariables(pool, nil, deployment, run)
	must(t, err)
	env := map[string]string{}
	for name, value := range j.Env {
		if env[name] = "null"; value != nil {
			env[name] = *value
		}
	}
	if env["A"] != "pool" || env["B"] != "deployment" || env["C"] != "null" || env["D"] != "run" || len(env) != 4 {
		t.Errorf("env %v", env)
	}
	if j.Nice != 2 || j.Python != "p1" || *j.StreamOutput || *j.GraceSeconds != 3 {
		t.Errorf("merged %+v", j)
	}
	if _, err := MergeJobVariables(Values{"nice": raw(`"x"`)}); err == nil {
		t.Error("a wrong type was merged")
	}
}
