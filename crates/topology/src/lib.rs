//! A cluster as a tree of domains over nodes and devices, with an exact ledger of what is free
