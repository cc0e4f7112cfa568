X = 'src'
