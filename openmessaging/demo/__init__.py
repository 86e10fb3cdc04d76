"""The main job, as `oms demo` runs it: real flights through a queue, a process killed on the way, nothing lost.

`data` holds the flights, `worker` is the process that holds the store and is killed, `job` runs it all and counts,
`table` compares what was consumed with the file.
"""
