//! Images, tags and the ports around them: the rules of Etiqueta without any technology
