"""Makes the test vectors.

| module | content |
|---|---|
| `signing` | the private keys, and tokens signed with them |
| `tokens` | `tokens.json` |
| `keys` | `keys.json` |
| `feed` | `feed.json` |
"""
