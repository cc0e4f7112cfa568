package store

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"sync"
	"unicode"
)

// plainName is what pools, queues and variables may be called.
var plainName = lazily(`^[A-Za-z0-9._-]+$`)

// maxName bounds every name, in bytes: it must fit a line and a file name.
const maxName = 200

// CheckPlainName refuses what cannot be the name of a pool, a queue or a variable.
func CheckPlainName(kind, name string) error { return checkPlainName(kind, name) }

// checkPlainName holds for pools, queues, variables.
func checkPlainName(kind, name string) error {
	if plainName().MatchString(name) && len(name) <= maxName {
		return nil
	}
	e := invalid("%q cannot name a %s", name, kind)
	e.Hint = []string{"letters, digits, \"-\", \"_\" and \".\" make a name"}
	return e
}

// checkFreeName holds for flows, deployments, runs and workers.
func checkFreeName(kind, name string) error {
	bad := func(r rune) bool { return r == '/' || unicode.IsControl(r) }
	if strings.TrimSpace(name) != "" && len(name) <= maxName && strings.IndexFunc(name, bad) < 0 {
		return nil
	}
	e := invalid("%q cannot name a %s", name, kind)
	e.Hint = []string{"any text does but for \"/\", line breaks and control characters"}
	return e
}

// runName is two words that people can say; it may repeat.
func runName() string {
	return adjectives[rand.IntN(len(adjectives))] + "-" + nouns[rand.IntN(len(nouns))]
}

var adjectives = strings.Fields(`
	agile amber ample aqua arid azure balmy bold brave breezy brisk bronze calm candid cedar chief civil clear
	clever coral cosy crimson crisp cyan daring deft dusky eager early easy ebony fabled fair fast fine firm fleet
	fond frank free fresh gentle glad golden grand green grey hardy hazel honest humble indigo ivory jade jolly
	keen kind lilac lively loyal lucid lunar mellow merry mighty mild misty mossy neat nimble noble ochre olive
	opal open pale patient placid plain plucky polite prime proud quick quiet rapid rosy royal ruby russet sage
	sandy scarlet serene sharp silent silver sleek smart snowy solid sound spry stable steady still sturdy sunny
	swift tawny teal tidy true upbeat valiant velvet vivid warm wise witty young zesty`)

var nouns = strings.Fields(`
	adder albatross alpaca antelope auk badger bear beaver bee beetle bison bittern boar bobcat buffalo bunting
	camel caribou cat cheetah chough civet cobra condor coot cougar crane cricket crow curlew deer dingo dipper
	dolphin dove duck dunlin eagle egret eider elk emu falcon ferret finch fox gannet gazelle gecko gibbon goat
	goose grebe grouse gull hare hawk heron hobby hoopoe hornet ibex ibis iguana impala jackal jaguar jay kestrel
	kite kiwi koala kudu lark lemur leopard linnet lion lizard llama lynx magpie mallard marmot marten martin
	merlin mink mole moose moth mouse newt nuthatch ocelot okapi orca oriole osprey otter owl panda panther
	petrel pigeon pika pipit plover puffin puma python quail rabbit raven robin rook salmon seal shrew shrike
	siskin skua skunk sparrow stoat stork swallow swan swift tapir teal tern thrush tiger toucan trout turtle
	viper vole walrus warbler weasel whale wolf wombat wren yak zebra`)

// CheckDeploymentName says whether a deployment may be called so.
func CheckDeploymentName(name string) error { return checkFreeName("deployment", name) }

// CheckPoolName says whether a work pool may be called so.
func CheckPoolName(name string) error { return checkPlainName("work pool", name) }

// lazily compiles a pattern when it is first needed: all of them at once would
// cost every command most of a millisecond at its start.
func lazily(pattern string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(pattern) })
}
