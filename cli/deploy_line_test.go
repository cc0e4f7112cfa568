package cli

import (
	"reflect"
	"testing"

	"github.com/alecthomas/kong"
	"pgregory.net/rapid"
)

// parseDeploy reads a line of deploy as the program does.
func parseDeploy(t interface{ Fatal(...any) }, words []string) deployCmd {
	var g grammar
	parser, err := kong.New(&g)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(rewrite(append([]string{"deploy"}, words...))); err != nil {
		t.Fatal(err, words)
	}
	return g.Deploy
}

func TestALineIsReadAsItWasWritten(t *testing.T) {
	text := rapid.OneOf(
		rapid.StringMatching(`[a-z][a-z0-9 ,='"$*{}:/-]{0,12}`),
		rapid.SampledFrom([]string{"-1", "--all", "0 2,14 * * *", "a=b", `{"a": 1}`, "ünï"}),
	)
	rapid.Check(t, func(t *rapid.T) {
		c := deployCmd{outputFlag: asTable}
		value := reflect.ValueOf(&c).Elem()
		fill(t, value, text)
		c.Output, c.JQ = rapid.SampledFrom([]string{"table", "json", "csv"}).Draw(t, "output"), ""
		c.File, c.Root = rapid.SampledFrom([]string{"", "/a b/runnel.yaml"}).Draw(t, "file"), ""
		if got := parseDeploy(t, c.words()); !reflect.DeepEqual(got, c) {
			t.Fatalf("%q\ngives %+v\nnot   %+v", c.words(), got, c)
		}
	})
}

// fill sets some of the fields, whatever there are.
func fill(t *rapid.T, value reflect.Value, text *rapid.Generator[string]) {
	for i := range value.NumField() {
		field, name := value.Field(i), value.Type().Field(i).Name
		if field.Kind() == reflect.Struct {
			fill(t, settable(field), text)
			continue
		}
		if !rapid.Bool().Draw(t, name+" set") {
			continue
		}
		switch f := field.Addr().Interface().(type) {
		case *string:
			*f = rapid.StringMatching(`[a-z][a-z0-9 .'=*-]{0,8}`).Draw(t, name)
		case **string:
			s := text.Draw(t, name)
			*f = &s
		case **int:
			n := rapid.IntRange(1, 99).Draw(t, name)
			*f = &n
		case **bool:
			b := rapid.Bool().Draw(t, name)
			*f = &b
		case *bool:
			*f = true
		case *[]string:
			*f = rapid.SliceOfN(text, 1, 3).Draw(t, name)
		case **float64:
			x := rapid.Float64Range(0, 100).Draw(t, name)
			*f = &x
		case *[]float64:
			*f = rapid.SliceOfN(rapid.Float64Range(0, 1e6), 1, 3).Draw(t, name)
		default:
			t.Fatalf("a field of a kind that line does not know: %s", name)
		}
	}
}

// settable is the field of an embedded struct that has no exported name.
func settable(field reflect.Value) reflect.Value {
	return reflect.NewAt(field.Type(), field.Addr().UnsafePointer()).Elem()
}

func TestALineIsForAShell(t *testing.T) {
	yes := true
	c := deployCmd{
		Entrypoint: "flows/report.py:folder_report", Name: []string{"at night"}, Pool: "p",
		Param: []string{"who=it's"}, Paused: &yes, outputFlag: asTable,
		scheduleFlags: scheduleFlags{ruleFlags: ruleFlags{Cron: []string{"0 2,14 * * *"}}},
	}
	want := `runnel deploy flows/report.py:folder_report -n 'at night' -p p --param 'who=it'\''s' --paused --cron '0 2,14 * * *'`
	if got := c.line(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
