"""What several strategies use: the memory of past documents and the Fisher information. It belongs to the room
`strategies`."""
