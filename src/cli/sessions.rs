//! `curfew sessions`: looking after sessions through the admin listener.
