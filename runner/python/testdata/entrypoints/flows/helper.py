NAME = 'neighbour'
