;; Nothing of its own: what an instance of it costs is the runtime's.
(module (memory 1 16) (func (export "nop")))
