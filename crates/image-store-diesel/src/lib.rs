//! The port ImageStore over Diesel: MySQL, MariaDB and SQLite
