//! Where a gang goes: an all-or-nothing plan on a topology, or the reasons why not
