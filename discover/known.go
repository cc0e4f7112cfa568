package discover

import "strings"

func stringFormat(format string) object { return object{{"type", "string"}, {"format", format}} }

func bounded(kind, bound string, value any) object { return object{{"type", kind}, {bound, value}} }

var anyArray = object{{"type", "array"}, {"items", object{}}}

// plainTypes are the names whose schema needs no arguments, as pydantic has
// them.
var plainTypes = map[string]object{
	"builtins.int": {{"type", "integer"}}, "builtins.float": {{"type", "number"}}, "builtins.str": {{"type", "string"}},
	"builtins.bool": {{"type", "boolean"}}, "builtins.bytes": stringFormat("binary"), "builtins.complex": {{"type", "string"}},
	"builtins.object": {}, "typing.Any": {}, "typing.Text": {{"type", "string"}}, "typing.LiteralString": {{"type", "string"}},
	"typing.AnyStr": {{"anyOf", []any{stringFormat("binary"), object{{"type", "string"}}}}},
	"datetime.date": stringFormat("date"), "datetime.datetime": stringFormat("date-time"),
	"datetime.time": stringFormat("time"), "datetime.timedelta": stringFormat("duration"),
	"uuid.UUID": stringFormat("uuid"), "decimal.Decimal": {{"anyOf", []any{object{{"type", "number"}}, object{{"type", "string"}}}}},
	"pathlib.Path": stringFormat("path"), "pathlib.PurePath": stringFormat("path"), "pathlib.PosixPath": stringFormat("path"),
	"pathlib.PurePosixPath": stringFormat("path"), "pathlib.PureWindowsPath": stringFormat("path"), "os.PathLike": stringFormat("path"),
	"re.Pattern": stringFormat("regex"), "typing.Pattern": stringFormat("regex"),
	"ipaddress.IPv4Address": stringFormat("ipv4"), "ipaddress.IPv6Address": stringFormat("ipv6"),
	"ipaddress.IPv4Network": stringFormat("ipv4network"), "ipaddress.IPv6Network": stringFormat("ipv6network"),
	"ipaddress.IPv4Interface": stringFormat("ipv4interface"), "ipaddress.IPv6Interface": stringFormat("ipv6interface"),
	"pydantic.PositiveInt": bounded("integer", "exclusiveMinimum", 0), "pydantic.NegativeInt": bounded("integer", "exclusiveMaximum", 0),
	"pydantic.NonNegativeInt": bounded("integer", "minimum", 0), "pydantic.NonPositiveInt": bounded("integer", "maximum", 0),
	"pydantic.PositiveFloat": bounded("number", "exclusiveMinimum", 0), "pydantic.NegativeFloat": bounded("number", "exclusiveMaximum", 0),
	"pydantic.NonNegativeFloat": bounded("number", "minimum", 0), "pydantic.NonPositiveFloat": bounded("number", "maximum", 0),
	"pydantic.FiniteFloat": {{"type", "number"}}, "pydantic.StrictInt": {{"type", "integer"}}, "pydantic.StrictFloat": {{"type", "number"}},
	"pydantic.StrictStr": {{"type", "string"}}, "pydantic.StrictBool": {{"type", "boolean"}}, "pydantic.StrictBytes": stringFormat("binary"),
	"pydantic.SecretStr":   {{"type", "string"}, {"format", "password"}, {"writeOnly", true}},
	"pydantic.SecretBytes": {{"type", "string"}, {"format", "password"}, {"writeOnly", true}},
	"pydantic.AnyUrl":      {{"type", "string"}, {"format", "uri"}, {"minLength", 1}},
	"pydantic.AnyHttpUrl":  {{"type", "string"}, {"format", "uri"}, {"minLength", 1}},
	"pydantic.HttpUrl":     {{"type", "string"}, {"format", "uri"}, {"minLength", 1}, {"maxLength", 2083}},
	"pydantic.EmailStr":    stringFormat("email"),
	"pydantic.FilePath":    stringFormat("file-path"), "pydantic.DirectoryPath": stringFormat("directory-path"), "pydantic.NewPath": stringFormat("path"),
	"pydantic.UUID1": stringFormat("uuid1"), "pydantic.UUID3": stringFormat("uuid3"), "pydantic.UUID4": stringFormat("uuid4"), "pydantic.UUID5": stringFormat("uuid5"),
	"pydantic.PastDate": stringFormat("date"), "pydantic.FutureDate": stringFormat("date"),
	"pydantic.AwareDatetime": stringFormat("date-time"), "pydantic.NaiveDatetime": stringFormat("date-time"),
	"pydantic.PastDatetime": stringFormat("date-time"), "pydantic.FutureDatetime": stringFormat("date-time"),
	"pydantic.Json": {{"type", "string"}, {"contentMediaType", "application/json"}, {"contentSchema", object{}}},
	"typing.Tuple":  anyArray, "builtins.tuple": anyArray,
}

// opaqueTypes are known and have no schema: pydantic gives up on them, and
// Prefect takes any value.
var opaqueTypes = map[string]bool{
	"typing.Callable": true, "typing.Type": true, "builtins.type": true, "typing.Hashable": true, "typing.IO": true,
	"typing.TextIO": true, "typing.BinaryIO": true, "re.Match": true, "typing.Match": true, "builtins.bytearray": true,
	"builtins.range": true, "builtins.slice": true, "builtins.memoryview": true, "typing.Collection": true,
	"typing.NoReturn": true, "typing.Never": true, "typing.Iterator": true, "typing.AsyncIterator": true,
}

// containers of one item type, and of keys and values.
var (
	listTypes = map[string]bool{
		"builtins.list": true, "typing.List": true, "typing.Sequence": true, "typing.MutableSequence": true,
		"typing.Iterable": true, "typing.Generator": true, "collections.deque": true, "typing.Deque": true,
	}
	setTypes = map[string]bool{
		"builtins.set": true, "builtins.frozenset": true, "typing.Set": true, "typing.FrozenSet": true,
		"typing.AbstractSet": true, "typing.MutableSet": true,
	}
	mapTypes = map[string]bool{
		"builtins.dict": true, "typing.Dict": true, "typing.Mapping": true, "typing.MutableMapping": true,
		"collections.defaultdict": true, "typing.DefaultDict": true, "collections.OrderedDict": true, "typing.OrderedDict": true,
	}
	// wrappers say nothing about the value itself.
	wrapperTypes = map[string]bool{
		"typing.Final": true, "typing.Required": true, "typing.NotRequired": true, "typing.ReadOnly": true, "typing.ClassVar": true,
		"pydantic.SkipValidation": true, "prefect.unmapped": false,
	}
)

// canonical folds the modules that spell one type in several ways.
func canonical(name string) string {
	for _, fold := range [...][2]string{
		{"typing_extensions.", "typing."},
		{"pydantic.types.", "pydantic."},
		{"pydantic.networks.", "pydantic."},
		{"pydantic.fields.", "pydantic."},
		{"pydantic.main.", "pydantic."},
		{"pydantic.v1.", "pydantic."},
	} {
		if rest, ok := strings.CutPrefix(name, fold[0]); ok {
			return fold[1] + rest
		}
	}
	if rest, ok := strings.CutPrefix(name, "collections.abc."); ok {
		if rest == "Set" {
			return "typing.AbstractSet"
		}
		return "typing." + rest
	}
	return name
}

// known is the type of a name from outside the project.
func (t *typer) known(at where, name string, args []*expr) typ {
	if schema, ok := plainTypes[name]; ok && (args == nil || name != "builtins.tuple" && name != "typing.Tuple" && name != "pydantic.Json") {
		return typ{schema: schema}
	}
	switch {
	case listTypes[name]:
		return typ{schema: arrayOf(t.item(at, args, 0))}
	case setTypes[name]:
		return typ{schema: append(arrayOf(t.item(at, args, 0)), member{"uniqueItems", true})}
	case mapTypes[name]:
		return typ{schema: mapOf(t.item(at, args, 0), t.item(at, args, 1))}
	case wrapperTypes[name]:
		return t.item(at, args, 0)
	case opaqueTypes[name]:
		return anyType
	}
	return t.special(at, name, args)
}

// special are the types whose arguments mean something of their own.
func (t *typer) special(at where, name string, args []*expr) typ {
	switch name {
	case "builtins.tuple", "typing.Tuple":
		return t.tuple(at, args)
	case "collections.Counter", "typing.Counter":
		return typ{schema: mapOf(t.item(at, args, 0), typ{schema: plainTypes["builtins.int"]})}
	case "typing.Optional":
		if len(args) == 1 {
			return nullable(t.annotation(at, args[0]))
		}
	case "typing.Union":
		if len(args) > 0 {
			return t.union(at, args)
		}
	case "typing.Literal":
		return t.literalType(at, args)
	case "typing.Annotated":
		if len(args) > 0 {
			return t.annotatedType(at, args)
		}
	case "pydantic.Json":
		schema := plainTypes[name].clone().with("contentSchema", t.item(at, args, 0).schema)
		return typ{schema: schema}
	}
	return unknown(name + " cannot be resolved")
}

// item is the i-th argument, or any.
func (t *typer) item(at where, args []*expr, i int) typ {
	if i >= len(args) {
		return anyType
	}
	return t.annotation(at, args[i])
}

// tuple is a fixed list of types, or with ... any number of one.
func (t *typer) tuple(at where, args []*expr) typ {
	if len(args) == 2 && args[1].kind == exprConstant && args[1].text == "..." {
		return typ{schema: arrayOf(t.annotation(at, args[0]))}
	}
	out := object{{"type", "array"}, {"minItems", len(args)}, {"maxItems", len(args)}}
	var items []any
	for _, a := range args {
		if a.kind == exprStarred {
			return typ{schema: anyArray}
		}
		items = append(items, t.annotation(at, a).schema)
	}
	if len(items) > 0 {
		out = append(out, member{"prefixItems", items})
	}
	return typ{schema: out}
}
